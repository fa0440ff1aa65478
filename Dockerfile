# syntax=docker/dockerfile:1
# Errata, with the bundled model. Runs as nobody special, on a read-only root; everything it keeps is under /data.
# For a build that can be repeated give both base images with their digests: --build-arg BUILD_IMAGE=node:22-bookworm@sha256:…
ARG BUILD_IMAGE=node:22-bookworm
ARG RUN_IMAGE=node:22-bookworm-slim

# The full image: better-sqlite3 is compiled here, from the source in its npm package.
FROM ${BUILD_IMAGE} AS build
WORKDIR /app
COPY package.json package-lock.json .npmrc ./
COPY scripts ./scripts
RUN npm ci && npm run -s setup
COPY . .
RUN npm run -s build \
 && npm prune --omit=dev \
 && node scripts/prune-platforms.mjs \
 && rm -rf dist/test dist/bench dist/demo

FROM ${RUN_IMAGE}
ENV NODE_ENV=production \
    ORT_DISABLE_TELEMETRY=1 \
    ERRATA_HOST=0.0.0.0 \
    ERRATA_PORT=8100 \
    ERRATA_DATA_DIR=/data \
    SQLITE_TMPDIR=/data
WORKDIR /app
RUN install -d -o node -g node -m 0700 /data
COPY --from=build /app/package.json /app/LICENSE /app/openapi.yaml ./
COPY --from=build /app/node_modules ./node_modules
COPY --from=build /app/models ./models
COPY --from=build /app/dist ./dist
USER node
VOLUME /data
EXPOSE 8100
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s --retries=3 \
  CMD ["node", "-e", "fetch(`http://127.0.0.1:${process.env.ERRATA_PORT}/health/live`).then(({ ok }) => process.exit(ok ? 0 : 1), () => process.exit(1))"]
ENTRYPOINT ["node", "/app/dist/src/main.js"]
CMD ["serve"]
