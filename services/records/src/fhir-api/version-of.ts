import type { FhirResource } from "../fhir/resource.ts";
import type { Row } from "../resources/patient-owned.ts";
import type { PatientTable } from "../resources/patient-table.ts";

/** Which version of a row it is, and since when. */
export interface VersionOf {
  id: string;
  version: number;
  lastUpdated: string;
}

interface Stamped extends Row {
  version?: number;
  updatedAt?: Date | string;
  createdAt?: Date | string;
}

/** Of a value as it was stored: in a former version, instants are text. */
export function versionOf(value: Row): VersionOf {
  const { id, rev } = value;
  const { version = rev, updatedAt, createdAt } = value as Stamped;
  return { id, version, lastUpdated: new Date(updatedAt ?? createdAt ?? 0).toISOString() };
}

/** A former version of a row, with its instants as they were before they became JSON. */
export function revived<T extends Row>({ layout }: PatientTable<Row>, value: object): T {
  const instants = new Set(
    layout.typed.filter(({ type }) => type === "timestamptz").map(({ property }) => property),
  );
  return Object.fromEntries(
    Object.entries(value).map(([name, one]) => [
      name,
      instants.has(name) && typeof one === "string" ? new Date(one) : one,
    ]),
  ) as unknown as T;
}

/** A resource under our id, with the version that it is; what else its meta says stays. */
export function identified(resource: FhirResource, { id, version, lastUpdated }: VersionOf): FhirResource {
  const { resourceType, id: _its, meta, ...rest } = resource;
  const said = typeof meta === "object" && meta !== null ? meta : {};
  return { resourceType, id, meta: { ...said, versionId: String(version), lastUpdated }, ...rest };
}

/** A resource in which every reference to its patient is `Patient/<our id>`. */
export function referringTo(
  resource: FhirResource,
  patientId: string,
  names: ReadonlySet<string>,
): FhirResource {
  const renamed = (value: unknown): unknown => {
    if (Array.isArray(value)) {
      const items = value.map(renamed);
      return items.some((item, at) => item !== value[at]) ? items : value;
    }
    if (typeof value !== "object" || value === null || Object.getPrototypeOf(value) !== Object.prototype)
      return value;
    let changed: Record<string, unknown> | null = null;
    for (const [name, one] of Object.entries(value)) {
      const isPatient = name === "reference" && typeof one === "string" && names.has(unversioned(one));
      const next = isPatient ? `Patient/${patientId}` : renamed(one);
      if (next !== one) changed = { ...(changed ?? value), [name]: next };
    }
    return changed ?? value;
  };
  return renamed(resource) as FhirResource;
}

const unversioned = (reference: string): string => reference.replace(/\/_history\/[^/]+$/, "");
