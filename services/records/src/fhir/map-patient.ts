import { z } from "zod";
import type { Patient, PatientContent } from "../patients/patient.ts";
import { DateAsSaid, Identifier } from "./element.ts";
import { identifiersOf, isNational } from "./identifier.ts";
import {
  Address,
  currentAddress,
  currentContact,
  currentName,
  HumanName,
  partedName,
  Telecom,
} from "./person.ts";
import type { FhirResource } from "./resource.ts";

/**
 * Each is a lock in Postgres while its bundle is stored, and there are some 6,400 of those for
 * everyone.
 */
const MAX_IDENTIFIERS = 100;

const FhirPatient = z.looseObject({
  identifier: z.array(Identifier).max(MAX_IDENTIFIERS).default([]),
  name: z.array(HumanName).default([]),
  telecom: z.array(Telecom).default([]),
  address: z.array(Address).default([]),
  gender: z.enum(["male", "female", "other", "unknown"]).optional(),
  birthDate: DateAsSaid.optional(),
});

/** What FHIR says of a patient, and by what to know them. */
export type MappedPatient = PatientContent & {
  /** The same name whenever it is loaded, current or not. */
  knownAs: { givenName: string; familyName: string };
};

/** A FHIR R4 Patient as a patient of ours. Throws ZodError on a field of the wrong shape. */
export function mapPatient(resource: FhirResource): MappedPatient {
  const patient = FhirPatient.parse(resource);
  const now = new Date();
  const first =
    ["official", "usual", undefined].map((use) => patient.name.find((n) => n.use === use)).find(Boolean) ??
    patient.name[0];
  const nationals = identifiersOf(resource).filter(isNational);
  const national = nationals.find(({ use }) => use !== "old") ?? nationals[0];
  return {
    ...partedName(currentName(patient.name, now)),
    birthDate: patient.birthDate?.slice(0, 10) ?? null,
    sex: patient.gender ?? "unknown",
    nationalId: national?.value ?? null,
    phone: currentContact(patient.telecom, "phone", now),
    email: currentContact(patient.telecom, "email", now),
    address: currentAddress(patient.address, now),
    knownAs: { givenName: first?.given.join(" ") ?? "", familyName: first?.family ?? first?.text ?? "" },
  };
}

/** A patient who was written here, as FHIR R4. */
export function patientResource(patient: Patient): FhirResource {
  const telecom = [
    ...(patient.phone === null ? [] : [{ system: "phone", value: patient.phone }]),
    ...(patient.email === null ? [] : [{ system: "email", value: patient.email }]),
  ];
  return {
    resourceType: "Patient",
    id: patient.id,
    name: [
      {
        use: "official",
        ...(patient.familyName !== "" && { family: patient.familyName }),
        ...(patient.givenName !== "" && { given: [patient.givenName] }),
      },
    ],
    gender: patient.sex,
    ...(patient.birthDate !== null && { birthDate: patient.birthDate }),
    ...(patient.nationalId !== null && {
      identifier: [
        {
          type: { coding: [{ system: "http://terminology.hl7.org/CodeSystem/v2-0203", code: "NI" }] },
          value: patient.nationalId,
        },
      ],
    }),
    ...(telecom.length > 0 && { telecom }),
    ...(patient.address !== null && { address: [{ text: patient.address }] }),
  };
}
