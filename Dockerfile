# One file for all images: each of the last four stages is one binary on a bare Debian.
#
#     docker build --target monolith .        or split-frontend, split-backend, lab
#
# No stage downloads anything but crates, so a stage can be rebuilt years later and without a network
# as far as the layers below it are cached.

# The manifests of the whole workspace, Cargo's settings, and nothing else, whichever crates there are. The stage runs
# again at every change of a file, but what it leaves only differs when a manifest does.
FROM debian:bookworm-slim AS manifests
WORKDIR /src
COPY . .
RUN mkdir /manifests \
 && find . \( -name Cargo.toml -o -name Cargo.lock -o -path './.cargo/*' \) -exec cp --parents {} /manifests/ \;

FROM rust:1-slim-bookworm AS build
WORKDIR /src
ENV CARGO_TARGET_DIR=/target
ENV PACKAGES="--package monolith --package split-frontend --package split-backend --package lab"

# First the dependencies: the manifests, with an empty program and library for each crate's code.
# Docker repeats this only when one of these files changes, so a change of the code costs the
# compilation of our own crates alone.
COPY --from=manifests /manifests ./
RUN for manifest in */Cargo.toml shared/*/Cargo.toml; do \
        src="${manifest%/Cargo.toml}/src" && mkdir "$src" \
        && echo 'fn main() {}' > "$src/main.rs" && echo > "$src/lib.rs" || exit 1; \
    done \
 && cp benches/src/main.rs benches/floor.rs \
 && cargo build --locked --release --bins $PACKAGES \
 && rm -r */src shared/*/src

# Then the code. Cargo compares by time, and the code may be older than what was just compiled in its
# place: `touch` makes it newer. (It must not reach what build scripts made: that is in /target.)
COPY . .
RUN find . -name '*.rs' -exec touch {} + \
 && cargo build --locked --release --bins $PACKAGES \
 && mkdir /out && cd /target/release && cp monolith split-frontend split-backend lab /out/

# What runs: a number for a user that owns nothing, so that a program that was broken into finds
# nothing to change. `compose` mounts the root file system read-only on top of that.
FROM debian:bookworm-slim AS runtime
# What servers write, if anything: a volume that is mounted here belongs to them.
RUN mkdir /data && chown 10001:10001 /data
USER 10001:10001
ENV LISTEN=0.0.0.0:3000
EXPOSE 3000

# The image has no curl, and needs none: the server's own binary asks the server. While it starts it
# is asked often, so that whoever waits for it doesn't wait for the next full interval.
FROM runtime AS monolith
COPY --from=build /out/monolith /usr/local/bin/
ENTRYPOINT ["/usr/local/bin/monolith"]
CMD ["serve"]
HEALTHCHECK --interval=10s --timeout=3s --retries=2 --start-period=30s --start-interval=500ms \
    CMD ["/usr/local/bin/monolith", "healthcheck"]

FROM runtime AS split-frontend
COPY --from=build /out/split-frontend /usr/local/bin/
ENTRYPOINT ["/usr/local/bin/split-frontend"]
CMD ["serve"]
HEALTHCHECK --interval=10s --timeout=3s --retries=2 --start-period=30s --start-interval=500ms \
    CMD ["/usr/local/bin/split-frontend", "healthcheck"]

FROM runtime AS split-backend
COPY --from=build /out/split-backend /usr/local/bin/
ENTRYPOINT ["/usr/local/bin/split-backend"]
CMD ["serve"]
HEALTHCHECK --interval=10s --timeout=3s --retries=2 --start-period=30s --start-interval=500ms \
    CMD ["/usr/local/bin/split-backend", "healthcheck"]

# Not a server: it fills a database with test data.
FROM runtime AS lab
COPY --from=build /out/lab /usr/local/bin/
ENTRYPOINT ["/usr/local/bin/lab"]
CMD ["--help"]
