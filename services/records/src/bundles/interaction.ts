import { z } from "zod";

/** A FHIR resource type and an id: of ours, or of the server that the bundle comes from. */
const BY_ID = /^([A-Z][A-Za-z]{1,63})\/([A-Za-z0-9.-]{1,64})$/;
const BY_TYPE = /^([A-Z][A-Za-z]{1,63})$/;
const BASE = /^https?:\/\/[^?]+\/(?=[A-Z][A-Za-z]{1,63}(\/|\?|$))/;
const WEAK_ETAG = /^(?:W\/)?"([0-9]{1,9})"$/;

export const Request = z.looseObject({
  method: z.string().max(20),
  url: z.string().max(2000).optional(),
  ifNoneExist: z.string().max(2000).optional(),
  ifMatch: z.string().max(100).optional(),
  ifNoneMatch: z.string().max(100).optional(),
});
export type Request = z.infer<typeof Request>;

/** `system|value` of an identifier; the system is empty where it is not said. */
interface Sought {
  system: string;
  value: string;
}

/**
 * What an entry asks for (https://hl7.org/fhir/R4/http.html#transaction). `store` is also what
 * entries without a request ask for: collections, documents and searchsets.
 */
export interface Interaction {
  method: "POST" | "PUT" | "DELETE";
  type: string;
  /** The id in the url, of `PUT` and `DELETE`. */
  id: string | null;
  /** `PUT` and `DELETE` by an identifier, or `ifNoneExist`: what there is at most one of. */
  sought: Sought | null;
  /** The version that the resource must have. */
  ifMatch: number | null;
}

/** Why an entry cannot be done: the part of the request at fault, and what to do instead. */
export class Unfit {
  readonly path: string;
  readonly message: string;
  readonly code: "not-supported" | "invalid";

  constructor(path: string, message: string, code: Unfit["code"] = "invalid") {
    this.path = path;
    this.message = message;
    this.code = code;
  }
}

/**
 * Reads an entry's request. `type` and `id` are those of its resource, if it has one. Conditions
 * are taken by identifier, or by `_id`, alone.
 */
export function interactionOf(
  request: Request,
  resource: { type: string; id: unknown } | null,
): Interaction | Unfit {
  const { method, url = "", ifNoneExist, ifMatch, ifNoneMatch } = request;
  if (method !== "POST" && method !== "PUT" && method !== "DELETE") {
    return new Unfit("request.method", "must be POST, PUT or DELETE", "not-supported");
  }
  if (ifNoneMatch !== undefined && method !== "POST")
    return new Unfit("request.ifNoneMatch", "is not supported: use ifNoneExist or ifMatch", "not-supported");
  if (resource === null && method !== "DELETE") return new Unfit("resource", `is needed by ${method}`);
  const version = ifMatch === undefined ? null : Number(WEAK_ETAG.exec(ifMatch)?.[1] ?? Number.NaN);
  if (Number.isNaN(version)) return new Unfit("request.ifMatch", 'must be a version, such as W/"1"');
  if (method === "POST") {
    const type = resource?.type ?? "";
    const sought = ifNoneExist === undefined ? null : conditionOf(ifNoneExist, type, "request.ifNoneExist");
    if (sought instanceof Unfit) return sought;
    return { method, type, ifMatch: null, id: null, sought: null, ...sought };
  }
  const target = targetOf(url);
  if (target instanceof Unfit) return target;
  if (resource && target.type !== resource.type)
    return new Unfit("request.url", "names another type than the resource's");
  if (method === "PUT" && target.id !== null && resource?.id !== undefined && resource.id !== target.id)
    return new Unfit("request.url", "names another id than the resource's");
  return { method, ifMatch: version, ...target };
}

type Target = Pick<Interaction, "type" | "id" | "sought">;

/** `Type/id` or `Type?identifier=…`, also with a base before it. */
function targetOf(url: string): Target | Unfit {
  const path = "request.url";
  const [address = "", ...query] = url.replace(BASE, "").split("?");
  const byId = BY_ID.exec(address);
  if (byId && query.length === 0) return { type: byId[1] ?? "", id: byId[2] ?? "", sought: null };
  const [type] = BY_TYPE.exec(address) ?? [];
  if (type === undefined) return new Unfit(path, "must be Type/id or Type?identifier=system|value");
  const condition = conditionOf(query.join("?"), type, path);
  return condition instanceof Unfit ? condition : { type, ...condition };
}

function conditionOf(text: string, type: string, path: string): Pick<Target, "id" | "sought"> | Unfit {
  const query = text.replace(new RegExp(`^/?${type}\\?|^\\?`), "");
  const [[name, value] = [], ...more] = [...new URLSearchParams(query.replaceAll("+", "%2B"))];
  if (name === "_id" && value && more.length === 0) return { id: value, sought: null };
  if (name !== "identifier" || !value || more.length > 0)
    return new Unfit(path, "is taken by identifier alone: identifier=system|value", "not-supported");
  const at = value.indexOf("|");
  const sought = { system: value.slice(0, Math.max(at, 0)), value: value.slice(at + 1) };
  if (at < 1 || sought.value === "") return new Unfit(path, "must say both: identifier=system|value");
  return { id: null, sought };
}
