/**
 * The systems of codes that MedVault knows, by the URI that FHIR R4 gives each
 * (https://hl7.org/fhir/R4/terminologies-systems.html) and by its OID, or by what all of a family
 * begin with (`/` or `-` at the end).
 */
const SYSTEMS: readonly (readonly [uri: string, ...others: string[]])[] = [
  ["http://snomed.info/sct", "2.16.840.1.113883.6.96"],
  ["http://snomed.info/sct/"], // of an edition
  ["http://loinc.org", "2.16.840.1.113883.6.1"],
  ["http://www.nlm.nih.gov/research/umls/rxnorm", "2.16.840.1.113883.6.88"],
  ["http://hl7.org/fhir/sid/cvx", "2.16.840.1.113883.12.292", "2.16.840.1.113883.6.59"],
  ["http://hl7.org/fhir/sid/mvx", "2.16.840.1.113883.12.227"],
  ["http://unitsofmeasure.org", "2.16.840.1.113883.6.8"],
  ["http://hl7.org/fhir/sid/icd-10", "2.16.840.1.113883.6.3"],
  ["http://hl7.org/fhir/sid/icd-10-cm", "2.16.840.1.113883.6.90"],
  ["http://hl7.org/fhir/sid/icd-10-"], // of a country
  ["http://fhir.de/CodeSystem/bfarm/icd-10-gm", "http://fhir.de/CodeSystem/dimdi/icd-10-gm"],
  ["http://www.cms.gov/Medicare/Coding/ICD10", "2.16.840.1.113883.6.4"],
  ["http://hl7.org/fhir/sid/icd-9-cm", "2.16.840.1.113883.6.103", "2.16.840.1.113883.6.104"],
  ["http://id.who.int/icd/release/11/mms", "http://hl7.org/fhir/sid/icd-11-mms"],
  ["http://terminology.hl7.org/CodeSystem/icd-o-3", "2.16.840.1.113883.6.43.1"],
  ["http://hl7.org/fhir/sid/icd-o-3"],
  ["http://www.whocc.no/atc", "2.16.840.1.113883.6.73", "http://fhir.de/CodeSystem/bfarm/atc"],
  ["http://www.ama-assn.org/go/cpt", "2.16.840.1.113883.6.12"],
  ["http://www.cms.gov/Medicare/Coding/HCPCSReleaseCodeSets", "2.16.840.1.113883.6.285"],
  ["http://www.ada.org/cdt", "http://ada.org/cdt", "2.16.840.1.113883.6.13"],
  ["http://hl7.org/fhir/sid/ndc", "2.16.840.1.113883.6.69"],
  ["http://fdasis.nlm.nih.gov", "2.16.840.1.113883.4.9"],
  ["http://hl7.org/fhir/ndfrt", "2.16.840.1.113883.3.26.1.5", "2.16.840.1.113883.6.209"],
  ["http://va.gov/terminology/medrt", "2.16.840.1.113883.6.345"],
  ["http://ncimeta.nci.nih.gov", "2.16.840.1.113883.3.26.1.2"],
  ["http://ncithesaurus-stage.nci.nih.gov", "2.16.840.1.113883.3.26.1.1"],
  ["https://dmd.nhs.uk"],
  ["http://read.info/readv2", "2.16.840.1.113883.6.29"],
  ["http://read.info/ctv3", "2.16.840.1.113883.6.30"],
  ["http://fhir.de/CodeSystem/bfarm/ops", "http://fhir.de/CodeSystem/dimdi/ops"],
  ["http://fhir.de/CodeSystem/ifa/pzn", "1.2.276.0.76.4.6"],
  ["http://hl7.org/fhir/sid/icpc-1", "2.16.840.1.113883.2.4.4.31.1"],
  ["http://hl7.org/fhir/sid/icpc-2", "2.16.840.1.113883.6.139"],
  ["http://hl7.org/fhir/sid/icf-nl", "2.16.840.1.113883.6.254"],
  ["http://terminology.hl7.org/CodeSystem/mdr", "2.16.840.1.113883.6.163"],
  ["http://dicom.nema.org/resources/ontology/DCM", "1.2.840.10008.2.16.4"],
  ["http://radlex.org", "2.16.840.1.113883.6.256"],
  ["http://www.genenames.org", "2.16.840.1.113883.6.281"],
  ["http://human-phenotype-ontology.org"],
  ["http://terminology.hl7.org/CodeSystem/"], // HL7's own
  ["http://hl7.org/fhir/"],
];

/** A URI as people vary it: with https, a version, in other case, or an OID without its scheme. */
const bare = (uri: string): string =>
  uri
    .replace(/\|.*$/s, "")
    .replace(/^https?:\/\/|^urn:oid:/i, "")
    .toLowerCase();

const BY_URI = new Map(SYSTEMS.flatMap((uris) => uris.map((uri) => [bare(uri), bare(uris[0])] as const)));
const FAMILIES = [...BY_URI.keys()].filter((uri) => /[/-]$/.test(uri));

/** One name for all ways of writing a system, known or not. */
function systemName(uri: string): string {
  const plain = bare(uri);
  return BY_URI.get(plain) ?? BY_URI.get(plain.replace(/\/$/, "")) ?? plain;
}

/** Whether a code's system is this one, by any of its URIs. */
export const isSameSystem = (system: string | null, asked: string): boolean =>
  system !== null && systemName(system) === systemName(asked);

/** Whether MedVault knows the system of a code; without one nobody does. */
export function isKnownSystem(uri: string | null | undefined): boolean {
  if (!uri) return false;
  const name = systemName(uri);
  return BY_URI.has(name) || FAMILIES.some((family) => name.startsWith(family));
}
