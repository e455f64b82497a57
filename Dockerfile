# syntax=docker/dockerfile:1
FROM python:3.13-slim AS build
WORKDIR /src
COPY pyproject.toml constraints.txt README.md LICENSE CHANGELOG.md ./
COPY client client
COPY server server
RUN python -m venv /opt/sessiond \
 && /opt/sessiond/bin/pip install --no-cache-dir -c constraints.txt '.[server]'

FROM python:3.13-slim
RUN useradd --system --uid 10001 --no-create-home --shell /usr/sbin/nologin sessiond
COPY --from=build /opt/sessiond /opt/sessiond
USER 10001:10001
ENV PATH=/opt/sessiond/bin:$PATH SESSIOND_LISTEN=0.0.0.0:7700
EXPOSE 7700
STOPSIGNAL SIGTERM
ENTRYPOINT ["sessiond"]
CMD ["serve"]
