# Stands for postgres:16-bookworm where no image registry is reached: Debian's own server, the same variables and paths.
ARG BASE=python:3.11-slim-bookworm
FROM ${BASE}
# hadolint ignore=DL3008
RUN apt-get update && apt-get install --yes --no-install-recommends postgresql && rm -rf /var/lib/apt/lists/* \
    && ln -s /usr/lib/postgresql/*/bin /usr/lib/postgresql/bin \
    && install --directory --owner postgres --mode 0700 /var/lib/postgresql/data
ENV PATH=/usr/lib/postgresql/bin:$PATH
COPY postgres.sh /
USER postgres
ENTRYPOINT ["/postgres.sh"]
