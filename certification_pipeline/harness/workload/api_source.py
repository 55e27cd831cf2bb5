"""A collection of the vendor's API as a source. The API of this process is filled directly, not over HTTP."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

from certification_pipeline.catalog.vocabulary import DriftKind
from certification_pipeline.harness.services.vendor_api import Collection, VendorApi
from certification_pipeline.harness.workload.recipe import Drift
from certification_pipeline.harness.workload.rounds import Change, Workload
from certification_pipeline.harness.workload.source import SourceError
from certification_pipeline.harness.workload.spec import TableSpec


class ApiSource:
    """One collection: ``/v1/<namespace>/<table>``. For one thread; make one per cell."""

    def __init__(self, dsn: str, namespace: str, table: str) -> None:
        self.namespace, self.table = namespace, table
        self._dsn = dsn

    def __repr__(self) -> str:
        return f"ApiSource({self.namespace!r}, {self.table!r})"

    def create(self, spec: TableSpec) -> None:
        """An empty collection; it must not be there yet."""
        if self._api.get(self.namespace, self.table) is not None:
            raise SourceError(f"{self!r} is there already", "drop it, or seed another table")
        self._put(spec, spec.arrow_schema().empty_table())

    def seed(self, workload: Workload) -> None:
        """The initial rows, there at once. A collection that is already there must be empty."""
        if self._api.get(self.namespace, self.table) is not None and self.count():
            raise SourceError(f"{self!r} already has rows", "drop it, or seed another table")
        schema = workload.spec.arrow_schema()
        self._put(workload.spec, pa.Table.from_batches(list(workload.initial()), schema=schema))

    def apply(self, change: Change, in_one_transaction: bool = False) -> None:
        """The whole round at once, however it was asked for; an updated row keeps its place."""
        collection = self._collection()
        rows = collection.rows
        if change.drift:
            rows = _drifted(rows, change.drift)
        (key,) = change.spec.primary_key
        schema = change.spec.arrow_schema()
        rows = rows.select(schema.names).cast(schema)
        for touched in (change.updates, change.deletes):
            keys = touched.column(key)
            found = pc.sum(pc.is_in(rows.column(key), value_set=keys.combine_chunks()), min_count=0).as_py()
            if found != len(keys):
                message = f"{found} rows instead of {len(keys)} of {self!r} have the keys of the round"
                raise SourceError(message, "seed it anew")
        place = pc.index_in(rows.column(key), value_set=change.updates.column(key).combine_chunks())
        update = pa.chunked_array([place]) if isinstance(place, pa.Array) else place
        offsets = pc.if_else(
            pc.is_valid(update),
            pc.add(update.cast(pa.int64()), rows.num_rows),
            pa.array(range(rows.num_rows), pa.int64()),
        )
        updates = change.updates.select(schema.names).cast(schema)
        rows = pa.concat_tables([rows, updates]).take(offsets.combine_chunks())
        gone = pc.is_in(rows.column(key), value_set=change.deletes.column(key).combine_chunks())
        inserts = change.inserts.select(schema.names).cast(schema)
        self._put(change.spec, pa.concat_tables([rows.filter(pc.invert(gone)), inserts]))

    def count(self) -> int:
        """Rows in the collection now."""
        return int(self._collection().rows.num_rows)

    def drop(self) -> None:
        """Remove the collection if it is there."""
        self._api.remove(self.namespace, self.table)

    def close(self) -> None:
        """Nothing is held open."""

    @property
    def _api(self) -> VendorApi:
        try:
            return VendorApi.at(self._dsn)
        except LookupError as error:
            raise SourceError(f"{self!r}: {error}", "start the service `api` in this process") from None

    def _collection(self) -> Collection:
        collection = self._api.get(self.namespace, self.table)
        if collection is None:
            raise SourceError(f"{self!r} is not there", "seed it first")
        return collection

    def _put(self, spec: TableSpec, rows: pa.Table) -> None:
        self._api.put(self.namespace, self.table, Collection(spec, rows.combine_chunks()))


def _drifted(rows: pa.Table, drift: Drift) -> pa.Table:
    """Names and columns as after the drift; :meth:`ApiSource.apply` casts the types."""
    match drift.kind:
        case DriftKind.ADD:
            return rows.append_column(drift.column, pa.nulls(rows.num_rows))
        case DriftKind.RENAME:
            return rows.rename_columns({drift.column: drift.new_name or ""})
        case _:  # a dropped column is not selected; wider, narrower and nullable are casts
            return rows
