"""Evidence is made locally, and pushed to and pulled from a store that several machines share.

In a store: ``blobs/sha256/…`` (every file, by its digest, never changed),
``chain/<engine>/entries/NNNNNN.json`` (created once: whoever creates entry N has appended it),
``chain/<engine>/checkpoint`` and ``decisions/<engine>.json`` (replaced only in the state they were read in).
"""
