import { createLogger, openTls, serve } from "@medvault/service-kit";
import { composeApp } from "./app.ts";
import { readConfig } from "./config.ts";

const config = readConfig();
const logger = createLogger({ service: "records", level: config.LOG_LEVEL });
const tls = await openTls(config, logger);
const { app, onStop } = await composeApp(config, logger, tls);
await serve({ app, host: config.HOST, port: config.PORT, adminPort: config.ADMIN_PORT, logger, tls, onStop });
