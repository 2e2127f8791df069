# syntax=docker/dockerfile:1
# The program alone, without a shell: about what its binary takes, and the C library.
#
#   docker buildx build --sbom=true --provenance=true --tag registry.example/fairlead:0.1.0 .

FROM rust:1.95.0-bookworm AS chef
WORKDIR /src
# What compiles dependencies apart from our code, and what writes their list into the binary, where scanners find it.
RUN cargo install --locked cargo-chef@0.1.78 cargo-auditable@0.7.7

FROM chef AS plan
COPY . .
RUN cargo chef prepare --recipe-path recipe.json

FROM chef AS build
COPY --from=plan /src/recipe.json recipe.json
# Built again only where Cargo.lock or a manifest has changed.
RUN cargo chef cook --profile dist --locked --package fairlead --features fairlead/jemalloc --recipe-path recipe.json
COPY . .
RUN cargo auditable build --profile dist --locked --package fairlead --bin fairlead --features fairlead/jemalloc \
    && install -D --mode=755 target/dist/fairlead /image/usr/local/bin/fairlead \
    && mkdir -p /image/var/lib/fairlead /image/etc/fairlead/keys

FROM gcr.io/distroless/cc-debian12:nonroot
COPY --from=build /image/usr/local/bin/fairlead /usr/local/bin/fairlead
# Volumes that are mounted here begin as the user's own. Nothing else is written: the root may be read-only.
COPY --from=build --chown=65532:65532 /image/var/lib/fairlead /var/lib/fairlead
COPY --from=build --chown=65532:65532 /image/etc/fairlead /etc/fairlead
ENV FAIRLEAD__DATA_DIR=/var/lib/fairlead \
    FAIRLEAD__AUTH__KEYS_DIR=/etc/fairlead/keys \
    FAIRLEAD__HTTP__HOST=0.0.0.0 \
    FAIRLEAD__METRICS__HOST=0.0.0.0 \
    FAIRLEAD__LOG__FORMAT=json
USER 65532:65532
WORKDIR /var/lib/fairlead
EXPOSE 8080 9464
# SIGTERM, which stops in order, is what containers are stopped by.
ENTRYPOINT ["/usr/local/bin/fairlead"]
CMD ["serve"]
