# syntax=docker/dockerfile:1
# docker buildx build --platform linux/amd64,linux/arm64 -t ghcr.io/stepgate/stepgate:0.1.0 .
FROM rust:1.95-bookworm AS build
WORKDIR /src
COPY Cargo.toml Cargo.lock ./
COPY src src
# A member of the workspace: cargo reads its manifest, and does not build it.
COPY testbed/Cargo.toml testbed/Cargo.toml
COPY testbed/src testbed/src
ARG TARGETARCH
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/src/target,id=target-${TARGETARCH} \
    cargo build --release --locked --package stepgate --bin stepgate \
    && cp target/release/stepgate /stepgate

# glibc, CA certificates and nothing else: no shell.
FROM gcr.io/distroless/cc-debian12:nonroot
COPY --from=build /stepgate /usr/local/bin/stepgate
USER 65532:65532
EXPOSE 8080
ENTRYPOINT ["/usr/local/bin/stepgate"]
CMD ["run"]
