import { z } from "zod";
import { UnmaskQuery } from "../patients/schemas.ts";
import { defineRoutes, SEARCH } from "../route.ts";
import { FhirPage } from "./schemas.ts";

const FHIR_JSON = "application/fhir+json";

/** How a client may say what format it wants; that is JSON, always. */
const Format = z.string().max(64).optional();

const ReadQuery = UnmaskQuery.extend({
  _format: Format,
  /** White space for readers; there is none. */
  _pretty: z.string().max(8).optional(),
});

/** What every search takes; which others a type takes, `GET /v1/fhir/metadata` says. */
const SearchQuery = ReadQuery.extend({
  _id: z.string().max(8192).optional(),
  _lastUpdated: z.string().max(64).optional(),
  _count: z.string().max(16).optional(),
  _include: z.string().max(256).optional(),
  _cursor: z.string().max(1024).optional(),
  patient: z.string().max(256).optional(),
});

/** As a form; which others a type takes, the capability statement says. */
const SearchForm = SearchQuery.extend({
  identifier: z.string().max(200).optional(),
  name: z.string().max(200).optional(),
  family: z.string().max(200).optional(),
  given: z.string().max(200).optional(),
  birthdate: z.string().max(64).optional(),
  phone: z.string().max(64).optional(),
  email: z.string().max(254).optional(),
  code: z.string().max(200).optional(),
});

const FhirResource = z.looseObject({ resourceType: z.string() });
const Resource = FhirResource.extend({
  id: z.string(),
  meta: z.looseObject({ versionId: z.string(), lastUpdated: z.string() }),
});

const one = {
  method: "GET",
  session: true,
  slow: true,
  resource: "fhir",
  query: ReadQuery,
  responseType: FHIR_JSON,
  errors: ["forbidden", "not_acceptable", "purpose_required", "resource_deleted"],
} as const;
const many = {
  session: true,
  slow: true,
  openQuery: true,
  query: SearchQuery,
  response: FhirPage,
  responseType: FHIR_JSON,
  errors: ["forbidden", "not_acceptable", "not_found", "purpose_required", ...SEARCH],
} as const;

/** Beside these: the import, `$everything` and `$validate`. */
export const fhirReadApi = defineRoutes({
  metadata: {
    method: "GET",
    path: "/v1/fhir/metadata",
    summary: "What this FHIR R4 server does, as a CapabilityStatement; open to anyone",
    query: z.strictObject({ _format: Format, mode: z.string().max(32).optional() }),
    response: FhirResource,
    responseType: FHIR_JSON,
    errors: ["not_acceptable"],
  },
  read: {
    ...one,
    path: "/v1/fhir/{type}/{id}",
    summary: "A resource as it is now",
    response: Resource,
    etag: true,
  },
  history: {
    ...one,
    path: "/v1/fhir/{type}/{id}/_history",
    summary: "Every version of a resource, newest first",
    query: ReadQuery.extend({ _count: z.string().max(16).optional() }),
    response: FhirPage,
  },
  readVersion: {
    ...one,
    path: "/v1/fhir/{type}/{id}/_history/{version}",
    summary: "A version of a resource",
    response: Resource,
    etag: true,
  },
  search: {
    ...many,
    method: "GET",
    path: "/v1/fhir/{type}",
    summary: "Search by what says nothing about a person",
  },
  searchByPost: {
    ...many,
    method: "POST",
    path: "/v1/fhir/{type}/_search",
    summary: "Search by anything: what identifies a person travels in the body",
    query: ReadQuery,
    request: SearchForm.loose(),
    requestType: "application/x-www-form-urlencoded",
    requestOptional: true,
    example: { family: "Marsh", birthdate: "1971-02-03" },
  },
});
