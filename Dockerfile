# One file for all images: each of the last four stages is one binary on a bare Debian.
#
#     docker build --target monolith .        or split-frontend, split-backend, lab
#
# No stage downloads anything but crates, so a stage can be rebuilt years later and without a network
# as far as the layers below it are cached.

# What the dependencies are: every manifest, with empty programs and libraries for the code.
FROM rust:1-slim-bookworm AS manifests
WORKDIR /src
COPY . .
RUN find . -type f ! -name Cargo.toml ! -name Cargo.lock ! -path '*/src/main.rs' ! -path '*/src/lib.rs' -delete \
 && find . -type d -empty -delete \
 && for code in $(find . -name '*.rs'); do echo 'fn main() {}' > "$code"; done

# Docker compares copied files by content. So the first command is repeated only when a manifest or
# the lock file changes, and a change of the code costs the compilation of our own crates alone.
FROM rust:1-slim-bookworm AS build
WORKDIR /src
ARG SERVERS="--package monolith --package split-frontend --package split-backend --package lab"
COPY --from=manifests /src .
RUN cargo build --locked --release --bins $SERVERS
# Cargo compares by time, and the code may be older than the empty programs: `touch` makes it newer.
COPY . .
RUN find . -name '*.rs' -exec touch {} + \
 && cargo build --locked --release --bins $SERVERS \
 && mkdir /out && cd target/release && cp monolith split-frontend split-backend lab /out/

# What runs: a number for a user that owns nothing, so that a program that was broken into finds
# nothing to change. `compose` mounts the root file system read-only on top of that.
FROM debian:bookworm-slim AS runtime
USER 10001:10001
ENV LISTEN=0.0.0.0:3000
EXPOSE 3000
CMD ["serve"]

# The image has no curl, and needs none: the server's own binary asks the server. While it starts it
# is asked often, so that whoever waits for it doesn't wait for the next full interval.
FROM runtime AS monolith
COPY --from=build /out/monolith /usr/local/bin/
ENTRYPOINT ["/usr/local/bin/monolith"]
HEALTHCHECK --interval=10s --timeout=3s --retries=2 --start-period=30s --start-interval=500ms \
    CMD ["/usr/local/bin/monolith", "healthcheck"]

FROM runtime AS split-frontend
COPY --from=build /out/split-frontend /usr/local/bin/
ENTRYPOINT ["/usr/local/bin/split-frontend"]
HEALTHCHECK --interval=10s --timeout=3s --retries=2 --start-period=30s --start-interval=500ms \
    CMD ["/usr/local/bin/split-frontend", "healthcheck"]

FROM runtime AS split-backend
COPY --from=build /out/split-backend /usr/local/bin/
ENTRYPOINT ["/usr/local/bin/split-backend"]
HEALTHCHECK --interval=10s --timeout=3s --retries=2 --start-period=30s --start-interval=500ms \
    CMD ["/usr/local/bin/split-backend", "healthcheck"]

# Not a server: it fills a database with test data.
FROM runtime AS lab
COPY --from=build /out/lab /usr/local/bin/
ENTRYPOINT ["/usr/local/bin/lab"]
CMD ["--help"]
