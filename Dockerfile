# What is installed has the hashes of packaging/*.lock (tools/lock_requirements.py makes them from constraints.txt).
# The wheel is built and installed in one image and only the result is kept: no compiler, no sources, no cache.
FROM python:3.13-slim AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_ROOT_USER_ACTION=ignore
WORKDIR /src
# The core is compiled; with --build-arg PAM_COMPILE=0 it is plain Python.
ARG PAM_COMPILE=1
RUN apt-get update \
    && apt-get install -y --no-install-recommends gcc libc6-dev \
    && rm -rf /var/lib/apt/lists/*
COPY pyproject.toml hatch_build.py README.md LICENSE packaging/requirements.lock packaging/build.lock ./
COPY pam_receiver/ pam_receiver/
COPY profiles/ profiles/
COPY migrations/ migrations/
RUN python -m venv /opt/build \
    && /opt/build/bin/pip install --require-hashes --only-binary=:all: -r build.lock \
    && /opt/build/bin/pip wheel --no-deps --no-build-isolation -w /dist . \
    && python -m venv /opt/pam-receiver \
    && /opt/pam-receiver/bin/pip install --require-hashes --only-binary=:all: -r requirements.lock \
    && /opt/pam-receiver/bin/pip install --no-deps --no-index /dist/*.whl \
    && /opt/pam-receiver/bin/pip check

FROM python:3.13-slim
# Nothing is written but in the volume, so that the root may be read-only.
ENV PATH=/opt/pam-receiver/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    PAM_RECEIVER_DATABASE=sqlite:////var/lib/pam-receiver/pam-receiver.db \
    PAM_RECEIVER_HTTP_BEHIND_PROXY=true \
    PAM_RECEIVER_MLLP_PLAIN=true
RUN groupadd --system --gid 10001 pam-receiver \
    && useradd --system --uid 10001 --gid 10001 --no-create-home --home-dir /var/lib/pam-receiver --shell /usr/sbin/nologin pam-receiver \
    && install -d -o 10001 -g 10001 -m 0700 /var/lib/pam-receiver
COPY --from=build /opt/pam-receiver /opt/pam-receiver
USER 10001:10001
WORKDIR /var/lib/pam-receiver
VOLUME ["/var/lib/pam-receiver"]
# 2575: MLLP in clear, up to where the port is published: for TLS give a settings file with a [[listener]].
# 8080: /livez, /readyz; the rest only through a proxy of PAM_RECEIVER_HTTP_PROXIES, or with TLS.
EXPOSE 2575 8080
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=15s --timeout=5s --start-period=20s --retries=3 \
    CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8080/readyz', timeout=4)"]
ENTRYPOINT ["pam-receiver"]
CMD ["serve", "--mllp", "0.0.0.0:2575", "--http", "0.0.0.0:8080"]
