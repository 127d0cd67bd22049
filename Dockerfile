# One image for the six services, their jobs and the operators' tools; which one is its command:
#   docker build --tag medvault .
#   docker run medvault services/auth/src/main.ts
#   docker run medvault tools/keys.ts --help
# Settings come from the environment, secrets from mounted files; nothing secret is in the image. It runs with a
# read-only root file system, and without a shell. npm run image builds it and shows that it works.
FROM node:24-slim AS packages
WORKDIR /app
COPY . .
# Production packages alone, of what runs here. Workspaces stay links: Node strips types outside node_modules only.
RUN npm ci $(for one in tools services/*; do echo --workspace=$one; done) --omit=dev --omit=optional --ignore-scripts --no-audit --no-fund \
 && node dev/image/sbom.mjs > sbom.cdx.json \
 && find node_modules -type f \( -name '*.map' -o -name '*.d.ts' -o -name '*.d.cts' -o -name '*.d.mts' \) -delete \
 && find node_modules/@fontsource-variable \( -name '*-standard-*' -o -name '*-wdth-*' -o -name '*-italic.*' -o -name '*.css' \) -delete \
 && find node_modules/pdfkit/js \( -name '*browser*' -o -name '*standalone*' -o -name '*.old.*' \) -delete \
 && rm -rf dev e2e bench libs/testing node_modules/@medvault/testing node_modules/.package-lock.json \
 && mkdir -p /data/files /data/audit /data/backups /data/mail

FROM gcr.io/distroless/cc-debian12:nonroot AS runtime
COPY --from=packages /usr/local/bin/node /usr/local/bin/node
WORKDIR /app
COPY --from=packages /app ./
COPY --from=packages --chown=65532:65532 /data /data
ENV PATH=/usr/local/bin:/usr/bin:/bin NODE_ENV=production HOST=0.0.0.0 NODE_COMPILE_CACHE=/app/.compile-cache
USER 65532:65532
# How V8 collects garbage, as npm start has it (dev/run/services.ts).
ENTRYPOINT ["node", "--disable-warning=ExperimentalWarning", "--scavenger-max-new-space-capacity-mb=2", "--heap-growing-percent=50"]

# The compile cache is made here, by the user who will read it and with the same flags of V8 (its folder is named after
# both), because the file system is read-only later. Each service is only loaded: without settings it refuses to start, as it should.
FROM runtime AS cache
ENV NODE_COMPILE_CACHE=/data/.compile-cache
RUN ["node", "--scavenger-max-new-space-capacity-mb=2", "--heap-growing-percent=50", "-e", "for (const name of fs.readdirSync('services')) child_process.spawnSync('node', [...process.execArgv.slice(0, 2), `services/${name}/src/main.ts`])"]

FROM runtime
COPY --from=cache /data/.compile-cache /app/.compile-cache
HEALTHCHECK --interval=30s --timeout=5s --start-period=60s CMD ["node", "tools/health.mjs"]
CMD ["services/gateway/src/main.ts"]
