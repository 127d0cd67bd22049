/**
 * Systems of the numbers that a state, or its health service, gives each person: one number in one
 * line, however its system is spelt.
 */
const NATIONAL_SYSTEMS: readonly (readonly string[])[] = [
  ["http://hl7.org/fhir/sid/us-ssn", "urn:oid:2.16.840.1.113883.4.1"],
  [
    "https://fhir.nhs.uk/id/nhs-number",
    "http://fhir.nhs.uk/id/nhs-number",
    "http://fhir.nhs.net/id/nhs-number",
    "urn:oid:2.16.840.1.113883.2.1.4.1",
  ],
  ["urn:oid:2.16.840.1.113883.2.1.3.2.4.16.53"], // Scotland: CHI
  ["http://ns.electronichealth.net.au/id/hi/ihi/1.0", "urn:oid:1.2.36.1.2001.1003.0"],
  ["https://standards.digital.health.nz/ns/nhi-id", "urn:oid:2.16.840.1.113883.2.18.2"],
  ["http://fhir.nl/fhir/namingsystem/bsn", "urn:oid:2.16.840.1.113883.2.4.6.3"],
  ["http://fhir.de/sid/gkv/kvid-10", "http://fhir.de/namingsystem/gkv/kvid-10"],
  ["urn:oid:1.2.250.1.213.1.4.8"], // France: INS-NIR
  ["urn:oid:2.16.756.5.32"], // Switzerland: AHV
  ["https://www.ehealth.fgov.be/standards/fhir/core/namingsystem/ssin"],
  ["urn:oid:1.2.752.129.2.1.3.1", "http://electronichealth.se/identifier/personnummer"],
  ["urn:oid:2.16.578.1.12.4.1.4.1"], // Norway
  ["urn:oid:1.2.208.176.1.2"], // Denmark
  ["urn:oid:1.2.246.21"], // Finland
  ["https://fhir.ee/sid/pid/est/ni"],
  ["http://hl7.it/sid/codicefiscale", "urn:oid:2.16.840.1.113883.2.9.4.3.2"],
  ["urn:oid:1.3.6.1.4.1.19126.3"], // Spain: DNI
  ["https://saude.gov.br/fhir/sid/cpf", "http://rnds-fhir.saude.gov.br/fhir/r4/namingsystem/cpf"],
  ["https://healthid.abdm.gov.in", "https://healthid.ndhm.gov.in", "http://healthid.ndhm.gov.in"],
];

const bySpelling = new Map(
  NATIONAL_SYSTEMS.flatMap((one) => one.map((spelling) => [spelling, one[0] ?? ""])),
);
const plain = (system: string): string => system.trim().replace(/\/+$/, "");

/** A system in the one spelling in which it is compared. */
export function canonicalSystem(system: string): string {
  const bare = plain(system);
  return bySpelling.get(bare.toLowerCase()) ?? (/^urn:/i.test(bare) ? bare.toLowerCase() : bare);
}

export const isNationalSystem = (system: string): boolean => bySpelling.has(plain(system).toLowerCase());
