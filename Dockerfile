# syntax=docker/dockerfile:1
FROM python:3.13-slim AS build
ARG EXTRAS=server,otel,cli
WORKDIR /src
COPY pyproject.toml constraints.txt README.md LICENSE ./
COPY client client
COPY server server
RUN python -m venv --without-pip /opt/sessiond \
 && pip --python /opt/sessiond/bin/python install --no-cache-dir -c constraints.txt ".[${EXTRAS}]"

FROM python:3.13-slim
LABEL org.opencontainers.image.title="sessiond" \
      org.opencontainers.image.description="A session service over gRPC, with sessions in Redis or Valkey" \
      org.opencontainers.image.licenses="Apache-2.0"
RUN useradd --system --uid 10001 --no-create-home --shell /usr/sbin/nologin sessiond \
 && install --directory --owner=10001 --group=10001 --mode=700 /var/lib/sessiond
COPY --from=build /opt/sessiond /opt/sessiond
COPY deploy/docker/sessiond.toml /etc/sessiond/sessiond.toml
USER 10001:10001
WORKDIR /var/lib/sessiond
ENV PATH=/opt/sessiond/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    SESSIOND_CONFIG_FILE=/etc/sessiond/sessiond.toml
EXPOSE 7700
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s --retries=3 \
  CMD ["sessiond", "health"]
ENTRYPOINT ["sessiond"]
CMD ["serve"]
