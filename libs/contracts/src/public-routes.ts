import { accountApi, passwordApi } from "./accounts/routes.ts";
import { appointmentApi } from "./appointments/routes.ts";
import { auditApi } from "./audit/routes.ts";
import { backupApi } from "./backups/routes.ts";
import { breakGlassApi } from "./break-glass/routes.ts";
import { calendarApi, calendarFeedApi } from "./calendar-feeds/routes.ts";
import { careTeamApi } from "./care-team/routes.ts";
import { claimApi } from "./claims/routes.ts";
import { consentsApi } from "./consents/routes.ts";
import { directoryApi } from "./directory/routes.ts";
import { erasureApi, legalHoldApi } from "./erasure/routes.ts";
import { exportApi } from "./exports/routes.ts";
import { fhirReadApi } from "./fhir/reading.ts";
import { fhirApi } from "./fhir/routes.ts";
import { fhirValidationApi } from "./fhir/validation.ts";
import { fileApi } from "./files/routes.ts";
import { medicalRecordApi } from "./medical-records/routes.ts";
import { mfaApi } from "./mfa/routes.ts";
import { passkeyApi } from "./passkeys/routes.ts";
import { patientApi } from "./patients/routes.ts";
import { prescriptionApi } from "./prescriptions/routes.ts";
import { reminderApi } from "./reminders/routes.ts";
import type { RouteDoc } from "./route.ts";
import { jwksApi, sessionApi } from "./sessions/routes.ts";
import { signInApi } from "./sign-in/routes.ts";
import { roleApi, userApi } from "./users/routes.ts";

/** The public documents of these areas, in their order. */
export function publicRoutesOf(...areas: readonly Readonly<Record<string, RouteDoc>>[]): RouteDoc[] {
  return areas.flatMap((area) => Object.values(area)).filter((route) => !route.internal);
}

export const recordsRoutes = publicRoutesOf(
  patientApi,
  careTeamApi,
  breakGlassApi,
  consentsApi,
  erasureApi,
  legalHoldApi,
  medicalRecordApi,
  prescriptionApi,
  claimApi,
  appointmentApi,
  calendarApi,
  fhirApi,
  fhirReadApi,
  fhirValidationApi,
);
export const authRoutes = publicRoutesOf(
  signInApi,
  mfaApi,
  passkeyApi,
  accountApi,
  passwordApi,
  reminderApi,
  sessionApi,
  calendarFeedApi,
  userApi,
  roleApi,
  directoryApi,
  jwksApi,
);
export const filesRoutes = publicRoutesOf(fileApi, exportApi);
export const auditRoutes = publicRoutesOf(auditApi);
export const backupRoutes = publicRoutesOf(backupApi);
