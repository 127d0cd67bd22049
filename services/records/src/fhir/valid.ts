import { isDecimal } from "@medvault/contracts";
import { definitionOf, isResourceType, type Property } from "./definition.ts";
import { brokenInvariants } from "./invariant.ts";
import { primitiveFault } from "./primitive.ts";
import type { FhirResource } from "./resource.ts";

/** What is wrong with a resource by the definitions of R4. Holds no value of it. */
export interface Finding {
  /** Of https://hl7.org/fhir/R4/valueset-issue-type.html. */
  code: "structure" | "value" | "code-invalid" | "required" | "invariant" | "not-supported";
  /** Within the resource. */
  path: readonly (string | number)[];
  message: string;
  /**
   * Nobody can read it as what it should be: another JSON type, no date, no code of its set. Else
   * the resource is only incomplete, or says what R4 does not know.
   */
  isUnreadable: boolean;
}

const MAX_FINDINGS = 50;
const MAX_NAME_CHARS = 64;
/** A bundle is 32 levels deep at most. */
const MAX_DEPTH = 40;

type Fields = Record<string, unknown>;
type Codes = NonNullable<Property["codes"]>;

/** Up to 50 findings, and up to 50 more of what cannot be read, in the order of the resource. */
export function findingsOf(resource: FhirResource): Finding[] {
  const check = new Check();
  check.resource(resource);
  return check.found;
}

/** Findings as FHIRPath says where: `Patient.name[0].given[1]`. */
export function expressionOf(type: string, path: Finding["path"]): string {
  return path.reduce<string>(
    (text, part) => text + (typeof part === "number" ? `[${part}]` : `.${part}`),
    type,
  );
}

/** A resource without what cannot be read: a copy, where there is any. */
export function withoutUnreadable(resource: FhirResource, findings: readonly Finding[]): FhirResource {
  const paths = findings.filter(({ isUnreadable }) => isUnreadable).map(({ path }) => path);
  return paths.length === 0 ? resource : (without(resource, paths) as FhirResource);
}

function without(value: unknown, paths: readonly Finding["path"][]): unknown {
  const inner = Map.groupBy(paths, ([part]) => part);
  const left = Object.entries(value as object).flatMap(([key, one]): [string, unknown][] => {
    const ways = inner.get(Array.isArray(value) ? Number(key) : key)?.map((path) => path.slice(1));
    if (!ways) return [[key, one]];
    return ways.some((path) => path.length === 0) ? [] : [[key, without(one, ways)]];
  });
  return Array.isArray(value) ? left.map(([, one]) => one) : Object.fromEntries(left);
}

class Check {
  readonly found: Finding[] = [];
  private readonly counts = { readable: 0, unreadable: 0 };
  /** Where the check is. */
  private readonly path: (string | number)[] = [];

  resource(value: unknown): void {
    if (!isFields(value)) return void this.add("structure", "must be a resource", true);
    const type = String(value.resourceType ?? "");
    if (isResourceType(type)) return void this.fields(value, type);
    this.at("resourceType", () => this.add("not-supported", "is no resource type of FHIR R4"));
  }

  private fields(fields: Fields, type: string): void {
    const definition = definitionOf(type);
    if (!definition) return;
    if (this.path.length > MAX_DEPTH) return void this.add("structure", "is nested too deep to be checked");
    const seen = new Map<string, string>();
    let size = 0;
    for (const [name, value] of Object.entries(fields)) {
      if (value === undefined || (name === "resourceType" && isResourceType(type))) continue;
      size += 1;
      const isBeside = name.startsWith("_");
      const bare = isBeside ? name.slice(1) : name;
      const property = definition.properties.get(bare);
      this.path.push(name.length > MAX_NAME_CHARS ? name.slice(0, MAX_NAME_CHARS) : name);
      if (!property || (isBeside && !property.isPrimitive)) {
        this.add("structure", `is no element of ${type}`);
      } else {
        if ((seen.get(property.element) ?? bare) !== bare) {
          this.add("structure", `stands beside another ${property.element}`);
        }
        seen.set(property.element, bare);
        this.property(property, value, isBeside ? fields[bare] : fields[`_${name}`], isBeside);
      }
      this.path.pop();
    }
    if (size === 0 && this.path.length > 0) this.add("structure", "must not be empty");
    for (const element of definition.required) {
      if (!seen.has(element)) this.at(element, () => this.add("required", "must be there"));
    }
    for (const message of brokenInvariants(type, fields)) this.add("invariant", message);
  }

  private property(property: Property, value: unknown, beside: unknown, isBeside: boolean): void {
    if (value === null) return void this.add("structure", "must not be null: leave it out");
    if (property.isList !== Array.isArray(value)) {
      return void this.add(
        "structure",
        property.isList ? "must be a list" : "must be one value, not a list",
        true,
      );
    }
    if (!Array.isArray(value)) return void this.value(property, value, isBeside);
    if (value.length === 0) this.add("structure", "must not be empty");
    for (const [index, one] of value.entries()) {
      this.path.push(index);
      if (one !== null) this.value(property, one, isBeside);
      else if (!property.isPrimitive) this.add("structure", "must not be null", true);
      else if (!Array.isArray(beside) || (beside[index] ?? null) === null) {
        this.add("structure", "is null and has no extension either");
      }
      this.path.pop();
    }
  }

  private value({ type, isPrimitive, codes }: Property, value: unknown, isBeside: boolean): void {
    if (isBeside) return void this.element("Element", value);
    if (type === "Resource") return void this.resource(value);
    if (!isPrimitive) {
      this.element(type, value);
      if (codes) this.coded(value, codes);
      return;
    }
    const fault = primitiveFault(type, value);
    if (fault) {
      this.add(fault.code, fault.message, fault.isUnreadable);
    } else if (codes && ![...codes.values()].some((set) => set.has(value as string))) {
      this.add("code-invalid", `must be one of ${namedCodes(codes)}`, true);
    }
  }

  private element(type: string, value: unknown): void {
    if (isFields(value)) this.fields(value, type);
    else this.add("structure", "must be an object", true);
  }

  /** A Coding or a CodeableConcept. Words alone, or other systems alone, can still be read. */
  private coded(value: unknown, codes: Codes): void {
    if (!isFields(value)) return;
    const { coding = "code" in value ? [value] : [] } = value;
    const codings = (Array.isArray(coding) ? coding : []).filter(isFields);
    const wrong = codings.some(({ system, code }) => {
      const set = codes.get(String(system));
      return set !== undefined && typeof code === "string" && !set.has(code);
    });
    if (wrong) return void this.add("code-invalid", `must be one of ${namedCodes(codes)}`, true);
    const isCoded = codings.some(({ system, code }) => codes.get(String(system))?.has(String(code)));
    if (!isCoded && value.extension === undefined) {
      this.add("code-invalid", `must hold a code of ${[...codes.keys()].join(", ")}`);
    }
  }

  private at(part: string | number, check: () => void): void {
    this.path.push(part);
    check();
    this.path.pop();
  }

  private add(code: Finding["code"], message: string, isUnreadable = false): void {
    const kind = isUnreadable ? "unreadable" : "readable";
    if (this.counts[kind] >= MAX_FINDINGS) return;
    this.counts[kind] += 1;
    this.found.push({ code, path: [...this.path], message, isUnreadable });
  }
}

function namedCodes(codes: Codes): string {
  const all = [...codes.values()].flatMap((set) => [...set]);
  const MAX_NAMED = 20;
  return all.length > MAX_NAMED ? `the ${all.length} codes that R4 allows here` : all.join(", ");
}

function isFields(value: unknown): value is Fields {
  return typeof value === "object" && value !== null && !Array.isArray(value) && !isDecimal(value);
}
