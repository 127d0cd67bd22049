# One image for all six services and their jobs; which one is its command:
#   docker build --tag medvault .
#   docker run medvault services/auth/src/main.ts
#   docker run medvault tools/migrate.ts
# Settings come from the environment and key files from a mounted secret; nothing secret is in the image.
FROM node:24-slim AS packages
WORKDIR /app
COPY . .
# Production packages alone; the workspace's links stay links, since Node strips types only outside node_modules.
RUN npm ci --omit=dev --omit=optional --ignore-scripts --no-audit --no-fund && npm cache clean --force

# The compile cache is made here, because the image's file system is read-only where it runs. Each service is only
# loaded: without settings it refuses to start, which is expected.
FROM packages AS cache
ENV NODE_COMPILE_CACHE=/app/.compile-cache
RUN for service in gateway auth records files audit backup; do \
      node --disable-warning=ExperimentalWarning services/$service/src/main.ts || true; \
    done

FROM node:24-slim
ENV NODE_ENV=production HOST=0.0.0.0 NODE_COMPILE_CACHE=/app/.compile-cache
WORKDIR /app
COPY --from=packages /app/package.json ./
COPY --from=packages /app/node_modules ./node_modules
COPY --from=packages /app/libs ./libs
COPY --from=packages /app/services ./services
COPY --from=packages /app/tools ./tools
COPY --from=cache /app/.compile-cache ./.compile-cache
USER node
ENTRYPOINT ["node", "--disable-warning=ExperimentalWarning"]
CMD ["services/gateway/src/main.ts"]
