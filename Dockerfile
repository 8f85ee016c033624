# The proxy as an image:
#   docker build -t cutover .
#   docker run --rm -p 8080:8080 -v "$PWD/mappings:/mappings:ro" cutover
# Paths in the configuration are relative to /mappings: what they name outside of it, such as
# `proto_path: ../proto`, is mounted as well (-v "$PWD/proto:/proto:ro"). What operators move outlives
# the container in a volume that user 65532 may write to (-v cutover-state:/state, with
# `state: {directory: /state}`). It runs on a read-only root file system (--read-only --tmpfs /tmp), as
# a numeric user, without any capability.
ARG PYTHON_VERSION=3.11

FROM python:${PYTHON_VERSION}-slim AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_ROOT_USER_ACTION=ignore
WORKDIR /source

# Only what is in the lock file, with its hashes, and only wheels: slim has no compiler. This
# layer stays as long as the lock file does.
COPY requirements.lock ./
RUN pip wheel --require-hashes --only-binary=:all: --wheel-dir /wheels -r requirements.lock

# From here on nothing comes from the network. The build tools are in the lock file as well.
COPY pyproject.toml README.md LICENSE ./
COPY proxy proxy
COPY proto proto
COPY mappings mappings
RUN pip install --no-index --find-links /wheels hatchling editables \
    && pip wheel --no-index --no-deps --no-build-isolation --wheel-dir /wheels . \
    && python -m venv --without-pip /opt/cutover \
    && pip --python /opt/cutover/bin/python install --no-index --find-links /wheels grpc-cutover \
    && /opt/cutover/bin/cutover --version

FROM python:${PYTHON_VERSION}-slim
COPY --from=build /opt/cutover /opt/cutover
ENV PATH=/opt/cutover/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
# A new volume that is mounted here takes over the owner.
RUN install -d -o 65532 -g 65532 -m 0700 /state
# Numeric, so that Kubernetes can see that it is not root.
USER 65532:65532
# The listener, and the admin port: that one is on loopback until the configuration says otherwise,
# which probes from outside need. Hence no HEALTHCHECK either: /-/healthy is for the orchestrator.
EXPOSE 8080 9901
# SIGTERM drains: give it time (docker stop -t), `drain.wait` + `drain.timeout` + 5 s. SIGHUP reads
# /mappings again, SIGUSR1 is the kill switch (docker kill --signal).
STOPSIGNAL SIGTERM
ENTRYPOINT ["cutover"]
CMD ["serve", "--config", "/mappings"]
