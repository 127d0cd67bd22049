import { serve } from "@medvault/service-kit";
import { createGateway } from "./app.ts";
import { readConfig } from "./config.ts";

const config = readConfig();
const gateway = await createGateway(config);
await serve({
  app: gateway.app,
  adminApp: gateway.adminApp,
  port: config.PORT,
  adminPort: config.ADMIN_PORT,
  host: config.HOST,
  logger: gateway.logger,
  tls: gateway.tls,
  onMalformed: gateway.noteMalformed,
  onStop: [() => gateway.stop()],
});
