import { z } from "zod";
import type { Resource } from "./bundle.ts";
import { FhirDate, Identifier } from "./elements.ts";

const HumanName = z.looseObject({
  use: z.string().optional(),
  text: z.string().optional(),
  family: z.string().optional(),
  given: z.array(z.string()).default([]),
});
const Telecom = z.looseObject({
  system: z.string().optional(),
  use: z.string().optional(),
  value: z.string().optional(),
});
const Address = z.looseObject({
  text: z.string().optional(),
  line: z.array(z.string()).default([]),
  city: z.string().optional(),
  state: z.string().optional(),
  postalCode: z.string().optional(),
  country: z.string().optional(),
});
/** Each is a lock in Postgres while its bundle is stored, and there are some 6,400 of those for everyone. */
const MAX_IDENTIFIERS = 100;

const Patient = z.looseObject({
  identifier: z.array(Identifier).max(MAX_IDENTIFIERS).default([]),
  name: z.array(HumanName).default([]),
  telecom: z.array(Telecom).default([]),
  address: z.array(Address).default([]),
  gender: z.enum(["male", "female", "other", "unknown"]).optional(),
  birthDate: FhirDate.optional(),
});

export interface MappedPatient {
  givenName: string;
  familyName: string;
  birthDate: string | null;
  sex: "male" | "female" | "other" | "unknown";
  nationalId: string | null;
  phone: string | null;
  email: string | null;
  address: string | null;
  /** System and value of every identifier that has both. */
  identifiers: { system: string; value: string }[];
}

/** HL7 v2-0203 types of numbers that a state gives a person: social security, national unique, tax. */
const NATIONAL = /^(SS|NI|TAX|NN[A-Z]{3})$/;

/** A FHIR R4 Patient as a patient of ours. Throws ZodError on a field of the wrong shape. */
export function mapPatient(resource: Resource): MappedPatient {
  const patient = Patient.parse(resource);
  const name =
    ["official", "usual", undefined].map((use) => patient.name.find((n) => n.use === use)).find(Boolean) ??
    patient.name[0];
  const contact = (system: string) =>
    patient.telecom.find((t) => t.system === system && t.value)?.value ?? null;
  const national = patient.identifier.find(
    (id) => id.value && id.type?.coding?.some((coding) => NATIONAL.test(coding.code ?? "")),
  );
  return {
    givenName: name?.given.join(" ") ?? "",
    familyName: name?.family ?? name?.text ?? "",
    birthDate: patient.birthDate?.slice(0, 10) ?? null,
    sex: patient.gender ?? "unknown",
    nationalId: national?.value ?? null,
    phone: contact("phone"),
    email: contact("email"),
    address: addressText(patient.address[0]),
    identifiers: patient.identifier.flatMap(({ system, value }) =>
      system && value ? [{ system, value }] : [],
    ),
  };
}

function addressText(address: z.infer<typeof Address> | undefined): string | null {
  if (!address) return null;
  const { line, city, state, postalCode, country } = address;
  const place = [state, postalCode].filter(Boolean).join(" ");
  return address.text || [...line, city, place, country].filter(Boolean).join(", ") || null;
}
