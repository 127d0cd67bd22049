import { defineProcess } from "@medvault/runtime";
import { adminApp, bareApp, endApp, metricsOf, mountHealth, readAssertionKey } from "@medvault/service-kit";
import { GatewayConfig } from "./config.ts";
import { openContext } from "./context.ts";
import { edge } from "./edge.routes.ts";
import { checkHeaders } from "./inspection/headers.ts";
import { mountMailedPages } from "./mailed-pages/mailed-page.routes.ts";
import { cors } from "./origins/cors.ts";
import { measureUpstreams } from "./proxy/upstream-metrics.ts";
import { createRefusalLog } from "./refusals/refusal-log.ts";
import { mountSystem } from "./system/system.routes.ts";

/** Kinds of refusals that may leave a security event. */
const EVIDENCE = new Set(["unauthenticated", "forbidden", "rate_limited", "invalid"]);

export const gateway = defineProcess({
  name: "gateway",
  config: GatewayConfig,
  contents: { MEDVAULT_KEYS_FILE: readAssertionKey },
  async open({ config, logger, tls }) {
    const context = await openContext({ config, logger, tls });
    const { readiness, producer, upstreams } = context;
    const app = bareApp(logger);
    const metrics = metricsOf(app);
    const refusals = createRefusalLog(metrics, producer);
    measureUpstreams(metrics, Object.values(upstreams));
    const allowOrigin = cors(config.MEDVAULT_CORS_ORIGINS);
    app.use((req, res, next) => {
      checkHeaders(req.rawHeaders); // before anything answers, health checks and preflights too
      allowOrigin(req, res, next);
    });
    mountHealth(app, app, readiness);
    app.use(edge(context));
    mountSystem(app);
    mountMailedPages(app, context);
    endApp(app, logger, async (req, _actor, error) => refusals.note(req, error), EVIDENCE);
    return {
      app,
      adminApp: adminApp(app, readiness, logger),
      onMalformed: refusals.noteMalformed,
      onStop: [() => context.close()],
    };
  },
});
