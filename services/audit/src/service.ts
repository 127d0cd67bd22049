import { defineService } from "@medvault/runtime";
import { openLocations, writableDirectory } from "@medvault/service-kit";
import { alertJobs } from "./alerts/alert.jobs.ts";
import { alertRoutes } from "./alerts/alert.routes.ts";
import { arrivalJobs } from "./completeness/arrival.jobs.ts";
import { completenessRoutes } from "./completeness/completeness.routes.ts";
import { AuditConfig } from "./config.ts";
import { openContext } from "./context.ts";
import { deliveryJobs, deliveryMetrics } from "./delivery/delivery.jobs.ts";
import { deliveryRoutes } from "./delivery/delivery.routes.ts";
import { eventRoutes } from "./events/event.routes.ts";
import { exportRoutes } from "./exports/export.routes.ts";
import { logConsumers } from "./log/log.consumers.ts";
import { logMetrics } from "./log/log-standing.service.ts";
import { checksOf } from "./log/writer.ts";
import { myAccessRoutes } from "./my-access/my-access.routes.ts";
import { proofRoutes } from "./proofs/proof.routes.ts";
import { retentionJobs, retentionMetrics } from "./retention/retention.jobs.ts";
import { rowEventRoutes } from "./row-events/row-event.routes.ts";
import { withTickets } from "./row-events/ticket.service.ts";
import { integrityChecks, integrityMetrics } from "./scrubber/integrity.service.ts";
import { scrubberJobs } from "./scrubber/scrubber.jobs.ts";
import { statisticsRoutes } from "./statistics/statistics.routes.ts";
import { tallyJobs } from "./statistics/tally.jobs.ts";
import { streamRoutes } from "./stream/stream.routes.ts";
import { verificationRoutes } from "./verification/verification.routes.ts";
import { witnessJobs, witnessMetrics } from "./witnesses/witness.jobs.ts";

export const service = defineService({
  name: "audit",
  config: AuditConfig,
  contents: { MEDVAULT_AUDIT_DIR: writableDirectory, MEDVAULT_GEOIP_FILE: openLocations },
  pool: () => ({ prepared: true }),
  open: (parts) => openContext(parts),
  people: ({ people }) => people,
  delegations: (context) => withTickets(context, context.delegations),
  routes: (context) => [
    ...eventRoutes(context),
    ...statisticsRoutes(context),
    ...alertRoutes(context),
    ...myAccessRoutes(context),
    ...proofRoutes(context),
    ...rowEventRoutes(context),
    ...completenessRoutes(context),
    ...verificationRoutes(context),
    ...exportRoutes(context),
    ...streamRoutes(context),
    ...deliveryRoutes(context),
  ],
  consumers: logConsumers,
  jobs: (context) => [
    ...arrivalJobs(context),
    ...scrubberJobs(context),
    ...retentionJobs(context),
    ...tallyJobs(context),
    ...alertJobs(context),
    ...deliveryJobs(context),
    ...witnessJobs(context),
  ],
  metrics: (context) => [
    ...logMetrics(context),
    ...integrityMetrics(context),
    ...retentionMetrics(context),
    ...deliveryMetrics(context),
    ...witnessMetrics(context),
  ],
  checks: (context) => ({ ...checksOf(context.writer.state()), ...integrityChecks(context) }),
});
