import { defineService } from "@medvault/runtime";
import { writableDirectory } from "@medvault/service-kit";
import { FilesConfig } from "./config.ts";
import { openContext } from "./context.ts";
import { erasureConsumers } from "./erasure/erasure.consumers.ts";
import { exportJobs } from "./exports/export.jobs.ts";
import { exportRoutes } from "./exports/export.routes.ts";
import { fileJobs } from "./files/file.jobs.ts";
import { fileRoutes } from "./files/file.routes.ts";
import { sealedTables } from "./tables.ts";

export const service = defineService({
  name: "files",
  config: FilesConfig,
  contents: { MEDVAULT_FILES_DIR: writableDirectory },
  tables: sealedTables,
  pool: () => ({ prepared: true }),
  open: openContext,
  people: ({ people }) => people,
  routes: (context) => [...fileRoutes(context), ...exportRoutes(context)],
  consumers: erasureConsumers,
  jobs: (context) => [...fileJobs(context), ...exportJobs(context)],
  checks: ({ blobs }) => ({ store: () => blobs.probe() }),
  refusalNoun: "file",
  evidence: ["invalid", "too_large", "unsupported_media_type", "unprocessable", "gone"],
});
