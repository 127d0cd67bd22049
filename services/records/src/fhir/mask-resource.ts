import { isDecimal, SENSITIVE_FIELDS, type SensitiveField } from "@medvault/contracts";
import { type ClosedValues, closedValues, type Sensitive } from "./closed-values.ts";
import type { FhirResource } from "./resource.ts";

/**
 * Resources that are a person, whose identifiers, telecom and address are masked as a patient's.
 */
const PERSONS = new Set(["Patient", "RelatedPerson", "Person"]);
/** Resources whose own identifiers say who somebody is. */
const IDENTIFYING = new Set([...PERSONS, "Coverage"]);
/** References that lead to a patient or to who is insured for them. */
const TO_PERSONS = new Set(["subject", "patient", "beneficiary", "subscriber", "policyHolder", "other"]);
const TO_PERSON = /(^|\/)(Patient|RelatedPerson|Person)[/?]/;
const ADDRESS = ["text", "line", "city", "district", "postalCode"];
/** Parts of an address that say too little, and stand in too many texts, to be looked for there. */
const COMMON = new Set(["city", "district", "postalCode"]);
export const WITHHELD = {
  status: "empty",
  div: '<div xmlns="http://www.w3.org/1999/xhtml">This narrative is withheld: it may hold masked values.</div>',
};
export const ABSENT_URL = "http://hl7.org/fhir/StructureDefinition/data-absent-reason";
export const MASKED_CODE = "masked";
const ABSENT = { extension: [{ url: ABSENT_URL, valueCode: MASKED_CODE }] };
const TEXTUAL = /^(text\/|[^;]*[/+](xml|json)\b)/i;
/** A number of fewer digits is more likely a quantity than an identifier. */
const MIN_NUMBER = 10_000_000;
const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;
const HIDDEN = Symbol("masked");

type Fields = Record<string, unknown>;

/** What masks the resources of one export. */
export interface Masks {
  unmask: readonly SensitiveField[];
  values: ClosedValues;
  /** The patient's, for links that would spell a masked value. */
  fullUrl: string;
  id: string;
  /** Is told of every value that is masked where it stands. */
  found?: (value: Sensitive) => void;
}

/**
 * The element that is looked into: its name, its fields, and the type of the resource that it is
 * in.
 */
interface Element {
  name: string;
  fields: Fields;
  type: string;
}

/** What gathers the values to mask from the resources of a chart, whose patient's comes first. */
export interface MaskGathering {
  /** Takes in a resource; false for one that says nothing of who somebody is. */
  add(entry: { fullUrl: string; resource: FhirResource }): boolean;
  /**
   * The masks: what persons and insurance cards say of the sensitive fields is masked wherever it
   * stands, but for what is to be unmasked.
   */
  masks(): Masks;
}

/** Gathers the masks for all that is shown of a patient, who is called `fullUrl` there. */
export function gatherMasks(id: string, fullUrl: string, unmask: readonly SensitiveField[]): MaskGathering {
  const found: Sensitive[] = [];
  const links = new Set<unknown>();
  const masks = { unmask, values: closedValues([], []), fullUrl, id };
  const finding = { ...masks, unmask: [], found: (value: Sensitive) => found.push(value) };
  return {
    add({ fullUrl, resource }) {
      if (!IDENTIFYING.has(resource.resourceType) && !resource.contained) return false;
      links.add(fullUrl.slice(-36)).add(resource.id);
      maskResource(resource, finding);
      return true;
    },
    masks() {
      // The UUID of a person may be their identifier as well: it is how all others refer to them.
      const sensitive = found.filter(([, value]) => !(UUID.test(value) && links.has(value)));
      return { ...masks, values: closedValues(sensitive, unmask) };
    },
  };
}

/** A resource without the values that `masks` close: where one stood, it says `masked`. */
export function maskResource(resource: FhirResource, masks: Masks): FhirResource {
  return maskFields({ name: "", fields: resource, type: resource.resourceType }, masks) as FhirResource;
}

/** A full URL, an id or a reference: it leads where it led, without spelling a masked value. */
export function maskLink(link: string, masks: Masks): string {
  return masks.values.in(link) ? masks.values.replaced(link, masks.id) : link;
}

function maskFields({ name, fields, type: outer }: Element, masks: Masks): Fields {
  const type = typeof fields.resourceType === "string" ? fields.resourceType : outer;
  const element = { name, fields, type };
  let masked = fields;
  for (const [key, value] of Object.entries(fields)) {
    const kept = masked[key] === value ? maskValue(key, value, element, masks) : value;
    if (kept === value) continue;
    if (masked === fields) masked = { ...fields };
    if (kept === HIDDEN) hide(masked, key);
    else if (Array.isArray(kept) && kept.includes(HIDDEN)) hideItems(masked, key, kept);
    else masked[key] = kept;
  }
  return masked;
}

function maskValue(key: string, value: unknown, element: Element, masks: Masks): unknown {
  if (typeof value === "string") return maskText(key, value, element, masks);
  if (typeof value === "number" || isDecimal(value)) {
    const digits = isDecimal(value) ? value["#"] : String(value);
    return Number(digits) >= MIN_NUMBER && masks.values.has(digits) ? HIDDEN : value;
  }
  if (Array.isArray(value)) {
    const items = value.map((item) => maskValue(key, item, element, masks));
    return items.some((item, index) => item !== value[index]) ? items : value;
  }
  if (!isFields(value)) return value;
  if (key === "text" && typeof value.div === "string") return maskNarrative(value, element.type, masks);
  const inner = { name: key, fields: value, type: element.type };
  const sensitive = sensitiveKeys(inner, element, masks);
  if (sensitive === null) return maskFields(inner, masks);
  const [field, keys] = sensitive;
  return masks.unmask.includes(field) ? value : hideKeys(value, field, keys, masks);
}

/** Which keys of an element are sensitive for where it stands, whatever their values. */
function sensitiveKeys(
  { name, fields, type }: Element,
  holder: Element,
  masks: Masks,
): [SensitiveField, string[]] | null {
  const isPerson = PERSONS.has(type);
  switch (name) {
    case "identifier": {
      const isReference = holder.fields.resourceType === undefined;
      const ofPerson = isReference ? leadsToPerson(holder, masks) : IDENTIFYING.has(type);
      return ofPerson || isClosed(fields.value, masks) ? ["nationalId", ["value"]] : null;
    }
    case "valueIdentifier":
      return isPerson || isClosed(fields.value, masks) ? ["nationalId", ["value"]] : null;
    case "telecom":
    case "valueContactPoint":
      return isPerson ? [contactField(fields), ["value"]] : null;
    case "address":
    case "valueAddress":
      return isPerson ? ["address", ADDRESS] : null;
    default:
      return null;
  }
}

function leadsToPerson({ name, fields: { type, reference } }: Element, masks: Masks): boolean {
  if (TO_PERSONS.has(name) || PERSONS.has(String(type))) return true;
  return typeof reference === "string" && (reference === masks.fullUrl || TO_PERSON.test(reference));
}

const isClosed = (value: unknown, { values }: Masks): boolean =>
  typeof value === "string" && values.has(value);

function contactField({ system, value }: Fields): SensitiveField {
  return system === "email" || (system !== "phone" && String(value).includes("@")) ? "email" : "phone";
}

function hideKeys(fields: Fields, field: SensitiveField, keys: readonly string[], masks: Masks): Fields {
  const masked = { ...fields };
  for (const key of keys) {
    const value = fields[key];
    for (const one of Array.isArray(value) ? value : [value]) {
      if (typeof one === "string" && !COMMON.has(key)) masks.found?.([field, one]);
    }
    if (Array.isArray(value)) hideItems(masked, key, Array(value.length).fill(HIDDEN));
    else if (value !== undefined || fields[`_${key}`] !== undefined) hide(masked, key);
  }
  // Extensions spell the parts of a number, or where on the map an address is.
  if (fields.extension !== undefined) masked.extension = ABSENT.extension;
  return maskFields({ name: "", fields: masked, type: "" }, masks);
}

function hide(fields: Fields, key: string): void {
  delete fields[key];
  fields[`_${key}`] = ABSENT;
}

function hideItems(fields: Fields, key: string, items: readonly unknown[]): void {
  const beside = fields[`_${key}`];
  const others: readonly unknown[] = Array.isArray(beside) ? beside : [];
  if (items.every((item) => item === HIDDEN)) delete fields[key];
  else fields[key] = items.map((item) => (item === HIDDEN ? null : item));
  fields[`_${key}`] = items.map((item, index) => (item === HIDDEN ? ABSENT : (others[index] ?? null)));
}

function maskText(key: string, text: string, element: Element, masks: Masks): unknown {
  const { values, unmask, found, id } = masks;
  const { name, fields } = element;
  if (key === "resourceType" || (key === "url" && /^(modifierE|e)xtension$/.test(name))) return text;
  if (key === "subscriberId") {
    found?.(["nationalId", text]);
    return unmask.includes("nationalId") ? text : HIDDEN;
  }
  if (key === "data") {
    const isText = typeof fields.contentType === "string" && TEXTUAL.test(fields.contentType);
    return isText && values.in(Buffer.from(text, "base64").toString("utf8")) ? HIDDEN : text;
  }
  if (key === "reference" && text.includes("?")) return maskSearch(text, masks);
  if (!values.in(text)) return text;
  return key === "id" || key === "reference" || key === "fullUrl" ? values.replaced(text, id) : HIDDEN;
}

/** A reference by search: that to a person spells their identifier. */
function maskSearch(reference: string, masks: Masks): unknown {
  const { unmask, values, fullUrl } = masks;
  if (values.in(decoded(reference))) {
    return reference.startsWith("Patient?") ? maskLink(fullUrl, masks) : HIDDEN;
  }
  return TO_PERSON.test(reference) && !unmask.includes("nationalId") ? HIDDEN : reference;
}

function decoded(url: string): string {
  try {
    return decodeURIComponent(url);
  } catch {
    return url;
  }
}

/** The narrative says in HTML what the fields say. */
function maskNarrative(narrative: Fields, type: string, { unmask, values }: Masks): unknown {
  const open = SENSITIVE_FIELDS.every((field) => unmask.includes(field));
  const div = String(narrative.div);
  const holds = (IDENTIFYING.has(type) && !open) || values.in(div) || values.in(plainText(div));
  return holds ? WITHHELD : narrative;
}

function plainText(html: string): string {
  return html
    .replace(/<[^<>]*>/g, "")
    .replace(/&#(?:x([0-9a-f]{1,6})|(\d{1,7}));/gi, (whole, hex, digits) => {
      const point = hex ? Number.parseInt(hex, 16) : Number(digits);
      return point <= 0x10ffff ? String.fromCodePoint(point) : whole;
    })
    .replace(/&nbsp;/g, " ");
}

/** An object of JSON, not one of a class that stands for a value. */
function isFields(value: unknown): value is Fields {
  if (typeof value !== "object" || value === null) return false;
  const prototype = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === null;
}
