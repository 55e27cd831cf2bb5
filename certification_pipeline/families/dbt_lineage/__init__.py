"""The dbt lineage family: a dbt project over tables that a certified load wrote, and one graph of both.

``project/`` is the dbt project, ``dbt/`` the environment dbt runs in (a script and its lock file); what
follows from dbt's artifacts is in ``evidence.dbt``.
"""
