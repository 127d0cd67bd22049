import { defineService } from "@medvault/runtime";
import { accessRoutes } from "./access/access.routes.ts";
import { appointmentRoutes } from "./appointments/appointment.routes.ts";
import { breakGlassMetrics } from "./break-glass/break-glass.jobs.ts";
import { breakGlassRoutes } from "./break-glass/break-glass.routes.ts";
import { fhirRoutes } from "./bundles/fhir.routes.ts";
import { careTeamRoutes } from "./care-team/care-team.routes.ts";
import { claimRoutes } from "./claims/claim.routes.ts";
import { RecordsConfig } from "./config.ts";
import { consentRoutes } from "./consents/consent.routes.ts";
import { openContext } from "./context.ts";
import { documentRoutes } from "./documents/document.routes.ts";
import { erasureConsumers } from "./erasure/erasure.consumers.ts";
import { erasureJobs } from "./erasure/erasure.jobs.ts";
import { erasureRoutes } from "./erasure/erasure.routes.ts";
import { fhirValidationRoutes } from "./fhir/validation.routes.ts";
import { fhirReadRoutes } from "./fhir-api/fhir-read.routes.ts";
import { medicalRecordRoutes } from "./medical-records/record.routes.ts";
import { patientRoutes } from "./patients/patient.routes.ts";
import { prescriptionRoutes } from "./prescriptions/prescription.routes.ts";
import { relationJobs } from "./relations/relation.jobs.ts";
import { reminderJobs, reminderMetrics } from "./reminders/reminder.jobs.ts";
import { rowCheckChecks, rowCheckJobs, rowCheckMetrics } from "./row-check/row-check.jobs.ts";
import { projectorJobs, projectorMetrics } from "./search/projector.jobs.ts";
import { searchJobs, searchMetrics } from "./search/search.jobs.ts";
import { declaredTables, sealedTables } from "./tables.ts";

const MAX_JSON_BYTES = 1024 * 1024;
/** What a bundle may measure (openapi.json). */
const MAX_BUNDLE_BYTES = 16 * 1024 * 1024;
/** What is checked in one go: some 5,000 resources, in 0.2 s. */
const MAX_VALIDATED_BYTES = 4 * 1024 * 1024;

export const service = defineService({
  name: "records",
  config: RecordsConfig,
  tables: sealedTables,
  pool: (config) => ({ max: config.MEDVAULT_RECORDS_CONNECTIONS, prepared: true }),
  open: openContext,
  people: ({ people }) => people,
  delegations: ({ delegations }) => delegations,
  routes: (context) => [
    ...accessRoutes(context),
    ...patientRoutes(context),
    ...careTeamRoutes(context),
    ...breakGlassRoutes(context),
    ...consentRoutes(context),
    ...erasureRoutes(context),
    ...medicalRecordRoutes(context),
    ...documentRoutes(context),
    ...prescriptionRoutes(context),
    ...claimRoutes(context),
    ...appointmentRoutes(context),
    ...fhirRoutes(context),
    ...fhirReadRoutes(context),
    ...fhirValidationRoutes(context),
  ],
  consumers: erasureConsumers,
  jobs: (context) => [
    ...searchJobs(context),
    ...projectorJobs(context),
    ...reminderJobs(context),
    ...erasureJobs(context),
    ...rowCheckJobs(context, declaredTables),
    ...relationJobs(context),
  ],
  metrics: (context) => [
    ...searchMetrics(context),
    ...projectorMetrics(context),
    ...breakGlassMetrics(context),
    ...reminderMetrics(context),
    ...rowCheckMetrics(context),
  ],
  checks: rowCheckChecks,
  evidence: ["conflict", "precondition_failed", "unprocessable"],
  isLossless: ({ path }) => path === "/v1/fhir" || path.startsWith("/v1/fhir/"),
  jsonLimitBytes: ({ path }) => {
    if (path.endsWith("/$validate")) return MAX_VALIDATED_BYTES;
    return path === "/v1/fhir" ? MAX_BUNDLE_BYTES : MAX_JSON_BYTES;
  },
});
