import type { Patient } from "../patients/patient.ts";
import { elements, type Fields, listOf, withElement, withItem } from "./fields.ts";
import { firstFitting, realigned } from "./lay.ts";
import { mapPatient, patientResource } from "./map-patient.ts";
import { isTold, retold } from "./narrative.ts";
import {
  Address,
  addressText,
  currentContact,
  currentName,
  HumanName,
  partedName,
  Telecom,
} from "./person.ts";
import type { FhirResource } from "./resource.ts";

/** Extensions that spell the parts of a number. */
const PARTS_OF_NUMBER =
  /^http:\/\/hl7\.org\/fhir\/StructureDefinition\/(contactpoint-(area|country|extension|local)|iso21090-TEL-address)$/;

type Names = Pick<Patient, "givenName" | "familyName">;
const CONTENT = ["givenName", "familyName", "birthDate", "nationalId", "phone", "email", "address"] as const;

/**
 * A patient's change laid into their original: into the name, number, address and identifier that
 * was shown, and nowhere else. What is null now is taken out of it; others of its kind stay.
 */
export function layPatient(original: FhirResource, former: Patient, next: Patient): FhirResource {
  const changed = CONTENT.filter((field) => former[field] !== next[field]);
  const isChanged = (...fields: (typeof CONTENT)[number][]) => fields.some((one) => changed.includes(one));
  const now = new Date();
  let laid = original;
  if (isChanged("givenName", "familyName")) laid = layName(laid, former, next, now);
  if (isChanged("birthDate")) laid = withElement(laid, "birthDate", next.birthDate ?? undefined);
  if (former.sex !== next.sex) laid = withElement(laid, "gender", next.sex);
  if (isChanged("nationalId")) laid = layNationalId(laid, former, next);
  for (const system of ["phone", "email"] as const)
    if (isChanged(system)) laid = layContact(laid, system, former, next, now);
  if (isChanged("address")) laid = layAddress(laid, former, next);
  const gone = changed.map((field) => former[field]);
  return isTold(laid, gone) ? retold(laid) : laid;
}

/** The candidates for a list of the original, as it would be with each. */
type Lists = (unknown[] | undefined)[];

function layList(resource: FhirResource, key: string, lists: Lists, field: keyof Patient, next: Patient) {
  const all = lists.map((list) => withElement(resource, key, list));
  return firstFitting(all, (one) => mapPatient(one)[field as "phone"] === next[field]);
}

function layName(resource: FhirResource, former: Patient, next: Patient, now: Date): FhirResource {
  const names = elements(resource, "name");
  const parsed = names.map((name) => HumanName.parse(name));
  const current = currentName(parsed, now);
  const isShown = (name: HumanName | undefined) => isSameName(partedName(name), former);
  const at = current && isShown(current) ? parsed.indexOf(current) : parsed.findIndex(isShown);
  const named = patientResource(next).name as Fields[];
  if (at === -1) return withElement(resource, "name", [...named, ...names]);
  const shown = names[at] ?? {};
  const given = withGiven(shown, next.givenName);
  const withFamily = (name: Fields) => withElement(name, "family", next.familyName || undefined);
  const gentle =
    former.givenName === next.givenName
      ? withFamily(shown)
      : former.familyName === next.familyName
        ? given
        : withFamily(given);
  const { text } = shown;
  const candidates = [gentle, withFamily(given)].flatMap((name) => [
    typeof text === "string" ? { ...name, text: rewordedName(text, shown, former, next) } : name,
    withElement(name, "text", undefined),
  ]);
  const name = firstFitting(candidates, (one) => isSameName(partedName(HumanName.parse(one)), next));
  return withElement(resource, "name", withItem(names, at, name));
}

const isSameName = (one: Names, other: Names): boolean =>
  one.givenName === other.givenName && one.familyName === other.familyName;

/** The given names that stay keep what stands beside them. */
function withGiven(name: Fields, givenName: string): Fields {
  const given = elements(name, "given") as unknown as (string | null)[];
  const beside = elements(name, "_given");
  const parts = realigned(
    given.map((one) => one ?? ""),
    " ",
    givenName,
  );
  const words = parts.flatMap(({ at, text }) =>
    text === undefined
      ? [{ word: given[at ?? -1] ?? null, extension: beside[at ?? -1] ?? null }]
      : text.split(" ").map((word) => ({ word, extension: null })),
  );
  const laid = withElement(name, "given", listOf(words.map(({ word }) => word)));
  const extended = words.some(({ extension }) => extension !== null);
  return extended ? { ...laid, _given: words.map(({ extension }) => extension) } : laid;
}

/** A name's text with the new words in the place of the former; else put together again. */
function rewordedName(text: string, { prefix, suffix }: Fields, former: Names, next: Names): string {
  const orders = [
    ({ givenName, familyName }: Names) => `${givenName} ${familyName}`.trim(),
    ({ givenName, familyName }: Names) => `${familyName}, ${givenName}`,
    ({ givenName, familyName }: Names) => `${familyName} ${givenName}`.trim(),
  ];
  const order = orders.find((inOrder) => text.includes(inOrder(former)));
  if (order && former.givenName && next.givenName) return text.replace(order(former), () => order(next));
  const words = [prefix, next.givenName, next.familyName, suffix].flat();
  return words.filter((word) => typeof word === "string" && word !== "").join(" ");
}

function layNationalId(resource: FhirResource, former: Patient, next: Patient): FhirResource {
  const list = elements(resource, "identifier");
  const read = (one: Fields) => mapPatient({ resourceType: "Patient", identifier: [one] }).nationalId;
  const holds = list.map((one) => (one.value === former.nationalId ? (read(one) === null ? 1 : 2) : 0));
  const at = holds.includes(2) ? holds.indexOf(2) : holds.indexOf(1);
  const added = elements(patientResource(next), "identifier");
  if (next.nationalId === null) return withElement(resource, "identifier", withItem(list, at, undefined));
  const replaced = withItem(list, at, withElement(list[at] ?? {}, "value", next.nationalId));
  const lists = [...(at === -1 ? [] : [replaced]), [...list, ...added], [...added, ...list]];
  return layList(resource, "identifier", lists, "nationalId", next);
}

function layContact(
  resource: FhirResource,
  system: "phone" | "email",
  former: Patient,
  next: Patient,
  now: Date,
): FhirResource {
  const list = elements(resource, "telecom");
  const holds = list.map((one) => one.system === system && one.value === former[system]);
  const isCurrent = (one: Fields) => currentContact([Telecom.parse(one)], system, now) !== null;
  const current = list.findIndex((one, index) => holds[index] && isCurrent(one));
  const at = current === -1 ? holds.indexOf(true) : current;
  const value = next[system];
  if (value === null) return withElement(resource, "telecom", withItem(list, at, undefined));
  const shown = withElement(list[at] ?? {}, "value", value);
  const extension = elements(shown, "extension").filter((one) => !PARTS_OF_NUMBER.test(String(one?.url)));
  const replaced = "extension" in shown ? withElement(shown, "extension", listOf(extension)) : shown;
  const lists = [
    ...(at === -1 ? [] : [withItem(list, at, replaced)]),
    [...list, { system, value }],
    [{ system, value, rank: 1 }, ...list],
  ];
  return layList(resource, "telecom", lists, system, next);
}

/** An address that is one text now has no parts that say another. */
function layAddress(resource: FhirResource, former: Patient, next: Patient): FhirResource {
  const list = elements(resource, "address");
  const at = list.findIndex(
    (one) => former.address !== null && addressText(Address.parse(one)) === former.address,
  );
  if (next.address === null) return withElement(resource, "address", withItem(list, at, undefined));
  const text = next.address;
  const { id, use, type, period } = list[at] ?? {};
  const kept = Object.entries({ id, use, type, period }).filter(([, value]) => value !== undefined);
  const lists = [
    ...(at === -1 ? [] : [withItem(list, at, { ...Object.fromEntries(kept), text })]),
    [...list, { text }],
    [{ use: "home", text }, ...list],
  ];
  return layList(resource, "address", lists, "address", next);
}
