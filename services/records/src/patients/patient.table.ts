import { type PatientListQuery, PatientView } from "@medvault/contracts";
import { layPatient } from "../fhir/lay-patient.ts";
import { mapPatient, patientResource } from "../fhir/map-patient.ts";
import { fhirPair } from "../fhir/pair.ts";
import { updatedBy } from "../resources/patient-owned.ts";
import { AUTHORED } from "../resources/patient-table.ts";
import { resource } from "../resources/resource.ts";
import { newPatient, type Patient, renewed } from "./patient.ts";

/** Who the patient is, in one box; `user_id` says which account is theirs. */
export const patients = resource<Patient, PatientView, PatientListQuery>({
  noun: "patient",
  table: "patients",
  subject: "id",
  unique: "userId",
  accessBy: "userId",
  columns: {
    ...AUTHORED,
    createdBy: { store: "uuid", content: false },
    createdAt: { store: "timestamptz", content: false },
    updatedAt: { store: "timestamptz", content: false },
    givenName: { store: "sealed", content: true, fhir: "name.given" },
    familyName: { store: "sealed", content: true, fhir: "name.family" },
    birthDate: { store: "sealed", search: true, content: true, fhir: "birthDate" },
    sex: { store: "sealed", content: true, fhir: "gender" },
    nationalId: {
      store: "sealed",
      mask: "edges",
      exact: true,
      compact: true,
      search: false,
      content: true,
      fhir: "identifier.value",
    },
    phone: {
      store: "sealed",
      mask: "edges",
      search: true,
      content: true,
      fhir: "telecom.value",
    },
    email: {
      store: "sealed",
      mask: "edges",
      search: true,
      content: true,
      fhir: "telecom.value",
    },
    address: { store: "sealed", mask: "edges", content: true, fhir: "address.text" },
    userId: { store: "uuid", content: true, fhir: { none: "an account here is nobody's elsewhere" } },
    searchName: { store: "sealed", search: true, content: false },
    source: { store: "sealed", content: false },
  },
  permissions: { read: "patient:read", write: "patient:write", search: "patient:search" },
  view: PatientView,
  author: updatedBy,
  renew: renewed,
  order: "updatedAt",
  fhir: fhirPair({
    read: mapPatient,
    make: ({ knownAs: _, ...content }, { patientId, source, createdAt }, by) =>
      newPatient(patientId, content, { userId: null, source, createdBy: by, createdAt }),
    write: patientResource,
    lay: layPatient,
  }),
});
