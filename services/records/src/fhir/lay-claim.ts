import type { Claim } from "../claims/claim.ts";
import { elements, type Fields, withElement, withItem } from "./fields.ts";
import { firstFitting, isEqual, layConcept, type Part, realigned } from "./lay.ts";
import { claimResource, mapClaim } from "./map-claim.ts";
import { isTold, retold } from "./narrative.ts";
import type { FhirResource, Reference } from "./resource.ts";

const CONCEPT = "diagnosisCodeableConcept";
const COUNTED = { resourceType: "Claim", status: "active", total: { value: 0, currency: "USD" } };
const FIELDS = ["diagnosis", "diagnosisCode"] as const;
const TEXTS = ["diagnosis", "diagnosisCode", "treatment"] as const;

/**
 * A claim's change laid into its original. What was decided on it has no element in a Claim: an
 * approved claim is as active as a submitted one.
 */
export function layClaim(original: FhirResource, former: Claim, next: Claim): FhirResource {
  const patient = original.patient as Reference;
  const [was, is] = [claimResource(former, patient), claimResource(next, patient)];
  const isChanged = (key: string) => !isEqual(was[key], is[key]);
  let laid = original;
  if (isChanged("status")) laid = withElement(laid, "status", is.status);
  if (isChanged("provider")) laid = withElement(laid, "provider", is.provider);
  if (isChanged("total")) laid = withElement(laid, "total", laidTotal(laid, was, is));
  if (isChanged("diagnosis")) laid = layDiagnoses(laid, next, was, is);
  if (isChanged("item")) laid = layItems(laid, next, is);
  const gone = TEXTS.map((field) => (former[field] === next[field] ? null : former[field]));
  return isTold(laid, gone)
    ? retold(
        laid,
        TEXTS.flatMap((field) => next[field] ?? []),
      )
    : laid;
}

function laidTotal({ total }: FhirResource, was: FhirResource, is: FhirResource): Fields {
  const [former, next] = [was.total, is.total] as [Fields, Fields];
  return ["value", "currency"]
    .filter((key) => former[key] !== next[key])
    .reduce((all, key) => withElement(all, key, next[key]), total as Fields);
}

/** The one diagnosis that is another now says so; where it is not one alone, all are said again. */
function layDiagnoses(
  resource: FhirResource,
  next: Claim,
  was: FhirResource,
  is: FhirResource,
): FhirResource {
  const list = elements(resource, "diagnosis");
  const laid = (at: number, former: Fields, concept: Fields): Fields => {
    const entry = withElement(list[at] ?? { sequence: 1 }, "diagnosisReference", undefined);
    return withElement(entry, CONCEPT, layConcept(entry[CONCEPT] as Fields | undefined, former, concept));
  };
  const [former, whole] = [was, is].map((one) => elements(one, "diagnosis")[0]?.[CONCEPT] ?? {}) as [
    Fields,
    Fields,
  ];
  const told = list.map((one) => readAlone("diagnosis", [one]));
  const [words, codes] = FIELDS.map((field) =>
    changeIn(
      told.map((one) => one?.[field] ?? ""),
      next[field] ?? "",
    ),
  );
  const at = words?.at ?? codes?.at ?? null;
  const [text, code] = FIELDS.map((field) => told[at ?? -1]?.[field]);
  const candidates = [
    ...(list.length === 1 ? [[laid(0, former, whole)]] : []),
    ...(at === null
      ? []
      : [withItem(list, at, laid(at, part(text, code), part(words?.text ?? text, codes?.text ?? code)))]),
    [{ ...laid(0, {}, {}), [CONCEPT]: whole }],
  ];
  const diagnoses = firstFitting(candidates, (items) => {
    const all = readAlone("diagnosis", items);
    return FIELDS.every((field) => all?.[field] === next[field]);
  });
  return withElement(resource, "diagnosis", diagnoses);
}

const part = (text: string | null | undefined, code: string | null | undefined): Fields => ({
  ...(code && { coding: [{ code }] }),
  ...(text && { text }),
});

function layItems(resource: FhirResource, next: Claim, is: FhirResource): FhirResource {
  const list = elements(resource, "item");
  const change = changeIn(
    list.map((one) => readAlone("item", [one])?.treatment ?? ""),
    next.treatment ?? "",
  );
  const [whole] = elements(is, "item");
  const at = list.length === 1 ? 0 : (change?.at ?? null);
  const text = list.length === 1 ? next.treatment : change?.text;
  const product = { productOrService: { text } };
  const candidates = [
    ...(at === null ? [] : [withItem(list, at, { ...list[at], ...product })]),
    [{ ...(list[0] ?? { sequence: 1 }), ...whole }],
  ];
  const laid = firstFitting(candidates, (items) => readAlone("item", items)?.treatment === next.treatment);
  return withElement(resource, "item", laid);
}

const readAlone = (key: string, items: unknown) =>
  mapClaim({ ...COUNTED, [key]: items }, { resolve: () => null });

/** The one text that is another now, and where; null where none is, or not one alone. */
function changeIn(texts: readonly string[], wanted: string): Part | null {
  const parts = realigned(texts, "; ", wanted);
  return parts.length === texts.length ? (parts.find(({ text }) => text !== undefined) ?? null) : null;
}
