import { compact, normalise } from "@medvault/crypto";
import { Concept } from "./element.ts";
import { canonicalSystem, isNationalSystem } from "./national-system.ts";

/** An identifier of a resource; `system` is empty where it has none. */
export interface NamedIdentifier {
  system: string;
  value: string;
  type?: unknown;
  use?: unknown;
  assigner?: unknown;
}

const V2_0203 = /v2-0203$|^urn:oid:2\.16\.840\.1\.113883\.(18\.108|12\.203)$/;
/** HL7 v2-0203 types of numbers that a state gives a person: social security, national, tax. */
const NATIONAL = /^(SS|NI|TAX|NN[A-Z]{3}|NNxxx)$/;
/** Those of numbers that one person alone has, each from its issuer. */
const OF_ONE_PERSON = new Set(
  "MR PI PT PE PN PPN DL JHN HC MC MA CZ PRC BR BCT MI SB IND RRI SR EI".split(" "),
);
/** Those of a policy, an account, a visit, an order, a sample, as are all that are not named. */
const OF_NO_PERSON = new Set("MB SN AN AM ANON ACSN VN PLAC FILL FGN PGN UDI LN SP CK NH MRT".split(" "));
/** Words of a path, a type or an assigner that say the same. */
const NO_PERSON_WORDS =
  /\b((polic(y|ies)|member(ship)?s?|subscribers?|accounts?|visits?|encounters?|accessions?|orders?|claims?|groups?)( ?(id|no|nr|number|identifier))?|episodes?|coverages?|guarantors?|beneficiar(y|ies)|placers?|fillers?|specimens?|devices?|serials?|famil(y|ies)|households?|invoices?|billing|appointments?|insur(er|ers|ance)|payers?|payors?|npi)\b/i;
/** An insurer's numbers are of policies, but for those of an insurance that numbers people. */
const INSURER = /\b(insur(er|ers|ance)|payers?|payors?)\b/i;
const INSURED_PERSON = /\b(national|social)[ -]?insurance\b/gi;
/** The people of one card share its number. */
const SHARED_SYSTEMS = new Set([
  "http://ns.electronichealth.net.au/id/medicare-number",
  "urn:oid:1.2.36.1.5001.1.0.7.1",
]);
const PLACEHOLDERS = new Set(
  `unknown unk none na null nil nan undefined test testing dummy default sample example placeholder
  pending tbd tba todo missing blank void empty anonymous anon refused declined notknown notavailable
  notapplicable notgiven notprovided notrecorded nossn noid nomrn nonumber unbekannt inconnu desconocido
  temp temporary newborn baby patient masked redacted removed hidden invalid abc abcd
  078051120 219099999 457555462`.split(/\s+/),
);
const MASK = /[•●█*]|x{3,}|#{2,}|_{2,}/i;
const MIN_RUN = 9;

/** The identifiers that have a value, whatever else is there. */
export function identifiersOf(resource: Readonly<Record<string, unknown>>): NamedIdentifier[] {
  const list: unknown[] = Array.isArray(resource.identifier) ? resource.identifier : [resource.identifier];
  return list.flatMap((one) => {
    const { system, value, type, use, assigner } = (one ?? {}) as Record<string, unknown>;
    if (typeof value !== "string") return [];
    return [{ system: typeof system === "string" ? system : "", value, type, use, assigner }];
  });
}

/**
 * Whether one person alone has it: a number of a person by its type, or of no type and a system
 * that does not say otherwise; from an issuing system; and no placeholder or mask.
 */
export function isOfOnePerson(identifier: NamedIdentifier): boolean {
  if (identifier.system.trim() === "" || identifier.use === "temp") return false;
  return !isPlaceholder(identifier.value) && numbersPeople(identifier);
}

/** Whether a state gives it to each of its people; that may be said without a system. */
export function isNational(identifier: NamedIdentifier): boolean {
  if (identifier.use === "temp" || isPlaceholder(identifier.value)) return false;
  const codings = Concept.safeParse(identifier.type).data?.coding ?? [];
  const isSaid = codings.some(
    ({ system, code = "" }) => NATIONAL.test(code) && (system === undefined || V2_0203.test(system)),
  );
  return (isSaid || isNationalSystem(identifier.system)) && numbersPeople(identifier);
}

/** The same for identifiers of one system that are equal but for how they are spelt. */
export function identifierKey({ system, value }: NamedIdentifier): string {
  return JSON.stringify([canonicalSystem(system), plainValue(value, system)]);
}

/** A value as it is compared. The dots of a URI part numbers. */
export function plainValue(value: string, system = ""): string {
  return system === "urn:ietf:rfc:3986" ? normalise(value) : compact(value);
}

/** What stands where nobody knew or said the number. */
export function isPlaceholder(value: string): boolean {
  const bare = normalise(value).replaceAll(/[\s\p{P}]/gu, "");
  const digits = bare.replaceAll(/^\p{L}{1,4}(?=\d)/gu, "");
  return (
    bare === "" ||
    MASK.test(value) ||
    /^(.)\1*$/u.test(bare) ||
    /^(\d)\1{3,}$/.test(digits) ||
    PLACEHOLDERS.has(bare) ||
    (digits.length >= MIN_RUN && isRun(digits))
  );
}

/** 123456789, 0123456789, 987654321: each digit follows the one before. */
function isRun(digits: string): boolean {
  return ["01234567890123456789", "98765432109876543210"].some((run) => run.includes(digits));
}

function numbersPeople({ system, type, assigner }: NamedIdentifier): boolean {
  const said = Concept.safeParse(type).data;
  const codes = (said?.coding ?? []).flatMap(({ system: of, code = "" }) =>
    (of === undefined ? isKnownCode(code) : V2_0203.test(of)) ? [code] : [],
  );
  const isNationalOne = isNationalSystem(system);
  if (codes.length > 0) {
    return codes.every((code) => isCodeOfPerson(code) || (code === "NH" && isNationalOne));
  }
  if (isNationalOne) return true;
  if (SHARED_SYSTEMS.has(canonicalSystem(system))) return false;
  const [, host = "", path = system] = /^https?:\/\/([^/]*)(.*)$/i.exec(system) ?? [];
  const { display } = (assigner ?? {}) as { display?: unknown };
  const texts = [
    path,
    said?.text ?? "",
    ...(said?.coding ?? []).flatMap((coding) => [coding.display ?? "", coding.code ?? ""]),
    typeof display === "string" ? display : "",
  ].map((text) => wordsIn(text).replaceAll(INSURED_PERSON, ""));
  return !INSURER.test(wordsIn(host)) && !texts.some((text) => NO_PERSON_WORDS.test(text));
}

const isCodeOfPerson = (code: string): boolean => NATIONAL.test(code) || OF_ONE_PERSON.has(code);
const isKnownCode = (code: string): boolean => isCodeOfPerson(code) || OF_NO_PERSON.has(code);

/** `policyNumber` and `policy_number` as words. */
const wordsIn = (text: string): string =>
  text.replaceAll(/([a-z])([A-Z])/g, "$1 $2").replaceAll(/[_/.:?=&+]/g, " ");
