export * from "./accounts/mailed-pages.ts";
export * from "./accounts/routes.ts";
export * from "./accounts/schemas.ts";
export * from "./actor.ts";
export * from "./appointments/routes.ts";
export * from "./appointments/schemas.ts";
export * from "./audit/act-words.ts";
export * from "./audit/alert-delivery.ts";
export * from "./audit/alerts.ts";
export * from "./audit/integrity.ts";
export * from "./audit/my-access.ts";
export * from "./audit/routes.ts";
export * from "./audit/row-events.ts";
export * from "./audit/schemas.ts";
export * from "./backups/routes.ts";
export * from "./backups/schemas.ts";
export * from "./break-glass/routes.ts";
export * from "./break-glass/schemas.ts";
export * from "./calendar-feeds/routes.ts";
export * from "./calendar-feeds/schemas.ts";
export * from "./care-team/routes.ts";
export * from "./care-team/schemas.ts";
export * from "./claims/routes.ts";
export * from "./claims/schemas.ts";
export * from "./coding.ts";
export * from "./consents/routes.ts";
export * from "./consents/schemas.ts";
export * from "./decimal.ts";
export * from "./delegations/routes.ts";
export * from "./delegations/schemas.ts";
export * from "./directory/routes.ts";
export * from "./directory/schemas.ts";
export * from "./erasure/events.ts";
export * from "./erasure/routes.ts";
export * from "./erasure/schemas.ts";
export * from "./errors.ts";
export * from "./events.ts";
export * from "./exports/routes.ts";
export * from "./exports/schemas.ts";
export * from "./fhir/reading.ts";
export * from "./fhir/routes.ts";
export * from "./fhir/schemas.ts";
export * from "./fhir/validation.ts";
export { isPartialDate, unscreened } from "./fields.ts";
export * from "./files/routes.ts";
export * from "./files/schemas.ts";
export * from "./http.ts";
export * from "./ids.ts";
export { asciiAddress, mailedAddress, unicodeAddress } from "./mail-address.ts";
export * from "./medical-records/routes.ts";
export * from "./medical-records/schemas.ts";
export * from "./mfa/routes.ts";
export * from "./mfa/schemas.ts";
export * from "./openapi/document.ts";
export * from "./passkeys/routes.ts";
export * from "./passkeys/schemas.ts";
export * from "./patients/routes.ts";
export * from "./patients/schemas.ts";
export * from "./permissions.ts";
export { namedBy, nameOf, PersonName, personOf, type WithoutPeople } from "./person.ts";
export * from "./prescriptions/routes.ts";
export * from "./prescriptions/schemas.ts";
export * from "./problem-codes.ts";
export * from "./public-routes.ts";
export * from "./reminders/routes.ts";
export * from "./reminders/schemas.ts";
export {
  type AnswerDoc,
  type AnswerOf,
  type BodyOf,
  codesOf,
  defineRoutes,
  needsSession,
  type ParamsOf,
  type Part,
  type QueryOf,
  type RouteDoc,
  resourceOf,
  statusOf,
  tagOf,
} from "./route.ts";
export * from "./session-transport.ts";
export * from "./sessions/routes.ts";
export * from "./sessions/schemas.ts";
export * from "./sign-in/routes.ts";
export * from "./sign-in/schemas.ts";
export * from "./sign-in/webauthn.ts";
export { isStorageFull, refusalOfService } from "./storage-full.ts";
export * from "./time-zone.ts";
export * from "./users/routes.ts";
export * from "./users/schemas.ts";
