import { STATUS_OF_KIND } from "@medvault/contracts";
import { defineProcess } from "@medvault/runtime";
import { adminApp, bareApp, endApp, metricsOf, mountHealth, readAssertionKey } from "@medvault/service-kit";
import { GatewayConfig } from "./config.ts";
import { openContext } from "./context.ts";
import { edge } from "./edge.routes.ts";
import { rememberClient } from "./identity/client.ts";
import { checkHeaders } from "./inspection/headers.ts";
import { clientAddress } from "./limits/client-address.ts";
import { userPoints } from "./limits/limit.ts";
import { mountMailedPages } from "./mailed-pages/mailed-page.routes.ts";
import { cors } from "./origins/cors.ts";
import { measureUpstreams } from "./proxy/upstream-metrics.ts";
import { createRefusalLog } from "./refusals/refusal-log.ts";
import { mountSystem } from "./system/system.routes.ts";

/** Any answer that is none to the request: for a person each leaves an event. */
const EVIDENCE: ReadonlySet<string> = new Set(Object.keys(STATUS_OF_KIND));

export const gateway = defineProcess({
  name: "gateway",
  config: GatewayConfig,
  contents: { MEDVAULT_KEYS_FILE: readAssertionKey },
  async open({ config, logger, tls }) {
    const context = await openContext({ config, logger, tls });
    const { readiness, producer, upstreams, admission } = context;
    const app = bareApp(logger);
    const metrics = metricsOf(app);
    const refusals = createRefusalLog({
      ...{ registry: metrics, producer, tokens: admission.tokens, perMinute: config.MEDVAULT_RATE_LIMIT },
      ofPersonPerMinute: userPoints(config.MEDVAULT_RATE_LIMIT),
    });
    const addressOf = clientAddress(config.MEDVAULT_TRUSTED_PROXIES);
    measureUpstreams(metrics, Object.values(upstreams));
    const allowOrigin = cors(config.MEDVAULT_CORS_ORIGINS);
    app.use((req, res, next) => {
      rememberClient(req, addressOf(req));
      checkHeaders(req.rawHeaders); // before anything answers, health checks and preflights too
      allowOrigin(req, res, next);
    });
    mountHealth(app, app, readiness);
    app.use(edge(context, refusals));
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
