import { type DamagedRow as DamagedView, namedBy, type ResourceAction } from "@medvault/contracts";
import type { z } from "zod";
import type { FhirPair } from "../fhir/pair.ts";
import type { FhirResource } from "../fhir/resource.ts";
import { CHART } from "./chart.ts";
import { damagedView, type Found, isDamaged } from "./damaged-row.ts";
import { type PageStatements, pageStatementsOf } from "./page-statement.ts";
import type { PatientOwned, Row } from "./patient-owned.ts";
import { type PatientTable, patientTable, type TableParts } from "./patient-table.ts";

interface Permissions {
  readonly read: To<"read">;
  readonly write: To<"write">;
  readonly delete?: To<"delete">;
  readonly search?: To<"search">;
}
type To<Action extends string> = Extract<ResourceAction, `${string}:${Action}`>;

/**
 * How a list narrows: by comparing a column in the statement, or a sealed field once it is open.
 */
type Filter<T> =
  | {
      readonly column: keyof T & string;
      readonly is: "=" | ">=" | "<=" | "<";
      /** What must be so as well, once the row is open. */
      readonly and?: (value: T) => boolean;
    }
  | { readonly opened: (keyof T & string) | ((value: T, asked: string) => boolean) };

interface ListParts<T, Query> {
  /** Every filter of the query's schema. */
  readonly filters: {
    readonly [K in Exclude<keyof Query & string, "limit" | "cursor" | "patientId">]: Filter<T>;
  };
  /** A list is of one patient, so that its event is about them and not about what it holds. */
  readonly isOfPatient?: true;
}

export interface ResourceParts<T extends Row, View, Query> extends TableParts<T> {
  /** In the event of a list, and in the counts of an import; default: the table's name. */
  readonly plural?: string;
  readonly permissions: Permissions;
  /** What an answer shows: these fields of `T`, instants as text. */
  readonly view: z.ZodObject & z.ZodType<View>;
  /** The column by which lists are sorted, latest first, and then by id. */
  readonly order: keyof T & string;
  /** How the generic list narrows. A resource without one has a list of its own. */
  readonly list?: ListParts<T, Query>;
  /** What a write's event says besides revision and hash of the box; never content. */
  readonly details?: (value: T) => Record<string, string | number>;
  /** Fields of an answer that are not shown as they are stored. */
  readonly derived?: { readonly [K in keyof View & string]?: (value: T) => View[K] };
  /** How it comes from FHIR and goes there; or why it does not. */
  readonly fhir: FhirPair<T> | { readonly none: string };
  /**
   * What a change notes of who made it (`updatedBy`, or more). With it every version that a change
   * replaces is kept; a resource without keeps its versions in its own way, or has none.
   */
  readonly author?: (next: T, former: T, by: string) => T;
  /**
   * What a row becomes once a newer original was read as `made`; null: what was decided here stays.
   * Default: what was read.
   */
  readonly renew?: (made: T, former: T) => T | null;
  /**
   * What a row becomes once its original turns out to be no fact; null: it stays as it is. Default:
   * it stays.
   */
  readonly revoke?: (former: T, original: FhirResource, now: Date) => T | null;
}

/** How a resource is listed, as the store needs it. */
interface List {
  /** Filters in the statement, in the order of its parameters. */
  readonly filters: readonly string[];
  /** Filters looked at once a row is open, with what they are asked for. */
  readonly opened: readonly (readonly [filter: string, fits: (value: never, asked: never) => boolean])[];
  readonly isOfPatient: boolean;
  readonly statements: PageStatements;
}

/** A kind of patient-owned resource: its table, and all that the generic use cases need. */
export interface Resource<T extends Row, View = unknown> extends PatientTable<T> {
  readonly plural: string;
  readonly permissions: Permissions;
  readonly schema: z.ZodObject;
  /** The content, as audit events name it. */
  readonly fields: readonly string[];
  readonly order: string;
  readonly derived: readonly string[];
  readonly list: List | null;
  readonly fhir: FhirPair<T>;
  /** Whether a change keeps the version that it replaces (`row_versions`). */
  readonly keepsVersions: boolean;
  /** The next version with what it says of who wrote it. */
  authored(next: T, former: T, by: string): T;
  renew(made: T, former: T): T | null;
  revoke(former: T, original: FhirResource, now: Date): T | null;
  details(value: T): Record<string, string | number>;
  /**
   * The value as an answer shows it, but for how people are called, which the guard fills in:
   * masked fields masked, but for those of `unmask`.
   */
  view(value: T, unmask?: readonly string[]): View;
  /** As view, for a list: of a damaged row it says so. */
  listed(value: Found<T>): View | DamagedView;
}

/**
 * Declares a patient-owned resource, once, for all that is done with it. Throws DeclarationFault.
 */
export function resource<T extends Row, View, Query = never>(
  parts: ResourceParts<T, View, Query>,
): Resource<T, View> {
  const declared = patientTable<T>(parts);
  const shown = Object.entries(parts.view.shape).filter(([, schema]) => !namedBy.has(schema));
  const view = viewOf(
    declared,
    shown.map(([field]) => field),
    parts.derived ?? {},
    parts.accessBy,
  );
  return {
    ...declared,
    plural: parts.plural ?? parts.table,
    permissions: parts.permissions,
    schema: parts.view,
    fields: declared.columns.filter(([, { content }]) => content).map(([field]) => field),
    order: parts.order,
    derived: Object.keys(parts.derived ?? {}),
    list: parts.list ? listOf(declared, parts.order, parts.list) : null,
    details: parts.details ?? (() => ({})),
    fhir: "none" in parts.fhir ? notInFhir(parts.table) : parts.fhir,
    keepsVersions: parts.author !== undefined,
    authored: parts.author ?? ((next) => next),
    renew: parts.renew ?? ((made) => made),
    revoke: parts.revoke ?? (() => null),
    view: (value, unmask = []) => view(value, unmask) as View,
    listed: (value) => (isDamaged(value) ? damagedView(value) : (view(value, []) as View)),
  };
}

/** Nothing is read as one, and nobody may ask for one to be written. */
function notInFhir<T>(table: string): FhirPair<T> {
  const write = () => {
    throw new TypeError(`${table} has no form in FHIR`);
  };
  return { read: () => null, write, lay: write };
}

function listOf<T extends Row>(
  { layout }: PatientTable<T>,
  order: string,
  parts: ListParts<T, unknown>,
): List {
  const columnNamed = (property: string) => {
    const found = layout.typed.find((column) => column.property === property);
    if (!found) throw new TypeError(`${layout.table}.${property} is sealed: no statement can compare it`);
    return found;
  };
  const filters: [string, Filter<T>][] = Object.entries(parts.filters);
  const compared = filters.flatMap(([name, filter]) =>
    "column" in filter ? [{ name, ...columnNamed(filter.column), operator: filter.is }] : [],
  );
  return {
    filters: compared.map(({ name }) => name),
    opened: filters.flatMap(([name, filter]) => {
      if ("opened" in filter) {
        const { opened } = filter;
        const fits =
          typeof opened === "string" ? (value: T, asked: unknown) => value[opened] === asked : opened;
        return [[name, fits] as const];
      }
      return filter.and ? [[name, filter.and] as const] : [];
    }),
    isOfPatient: parts.isOfPatient ?? false,
    statements: pageStatementsOf(layout, columnNamed(order), compared),
  };
}

/** Masked is what the declaration masks, in the way that the operator's policy has it. */
function viewOf<T extends Row>(
  { table, columns }: PatientTable<T>,
  shown: readonly string[],
  derived: Readonly<Record<string, ((value: T) => unknown) | undefined>>,
  accessBy: string | undefined,
) {
  const sensitive = new Set(columns.flatMap(([field, one]) => ("mask" in one && one.mask ? [field] : [])));
  return (value: T, unmask: readonly string[]): unknown => {
    const chart = shownOf(value, accessBy);
    const open = value as Record<string, unknown>;
    const masked = sensitive.size > 0 ? (table.mask(value) as Record<string, unknown>) : open;
    const view: Record<string, unknown> = {};
    for (const field of shown) {
      const make = derived[field];
      if (make) {
        const made = make(value);
        if (made !== undefined) view[field] = made;
        continue;
      }
      const isMasked = sensitive.has(field) && !unmask.includes(field);
      const one = isMasked ? masked[field] : field in chart ? chart[field] : open[field];
      view[field] = one instanceof Date ? one.toISOString() : one;
    }
    return view;
  };
}

const ITS_OWN = Object.freeze(Object.create(null)) as Readonly<Record<string, unknown>>;

/** What a row of a merged chart shows of the chart: whose it is, and whose account. */
function shownOf<T extends Row>(value: T, accessBy: string | undefined): Readonly<Record<string, unknown>> {
  const chart = value[CHART];
  if (!chart) return ITS_OWN;
  const account = accessBy === undefined ? {} : { [accessBy]: value[accessBy as keyof T] ?? chart.userId };
  return { patientId: chart.id, ...account };
}

/** The fields of an input that are a resource's own. */
type Content<T, Input> = { [K in Exclude<keyof Input & keyof T, keyof PatientOwned>]: T[K] };
/** What may be left out of an input is what may be null. */
export type Given<T, Input> = {
  [K in keyof Input]: K extends keyof Content<T, Input>
    ? Content<T, Input>[K] | (null extends Content<T, Input>[K] ? undefined : never)
    : Input[K];
};

/** The content of an input, with null for all that it leaves out. */
export function contentOf<T extends Row, Input extends object>(
  { fields }: Resource<T>,
  input: Input & Given<T, Input>,
): Content<T, Input> {
  const given: Record<string, unknown> = { ...input };
  return Object.fromEntries(fields.map((field) => [field, given[field] ?? null])) as Content<T, Input>;
}
