import { addressRanges, networkOf } from "@medvault/service-kit";
import type { Route, RouteClass } from "../routing/route-table.ts";

const MINUTE_MS = 60_000;
const HOUR_MS = 3_600_000;
/** A family or a front desk registers several people; only a flood registers more. */
const REGISTER_PER_LOGIN = 6;
/** Clinics, where many sit behind one address. */
const TRUSTED_FACTOR = 10;

/** What a request costs of its user's budget, which has two points for each request allowed. */
const COST: Readonly<Record<RouteClass, number>> = {
  login: 1,
  forgot: 1,
  register: 1,
  search: 2,
  lookup: 2,
  bundle: 2,
  upload: 4,
  export: 10,
};
const USER_POINTS_PER_REQUEST = 2;
/** Which share of a user's requests a minute may be of a class. */
const SHARE: Partial<Record<RouteClass, number>> = { search: 0.5, lookup: 0.05, upload: 0.5, export: 0.1 };
const MIN_OF_CLASS = 5;

/** A limit as it applies to one request: `points` in `windowMs`; this request takes `cost`. */
export interface Limit {
  /** As RateLimit-Policy names it. */
  readonly name: string;
  readonly key: string;
  readonly points: number;
  readonly cost: number;
  readonly windowMs: number;
  /** Set where different members are counted, not requests: the member of this request. */
  readonly member?: string;
}

/** Where a limit stands after a request. */
export interface LimitState {
  readonly limit: Limit;
  readonly used: number;
  readonly resetMs: number;
}

export interface LimitSettings {
  /** Requests a minute and address. */
  perMinute: number;
  loginPerMinute: number;
  /** Requests for a new password a minute and address. */
  forgotPerMinute: number;
  /** Different patients an hour and user. */
  patientsPerHour: number;
  /** Addresses or CIDR ranges, by commas, which get ten times as much. */
  trustedRanges: string;
}

export interface Limits {
  ofAddress(address: string, route: Route | null): Limit[];
  /** `query`: as it was sent, without its question mark. */
  ofUser(sub: string, route: Route, path: string, query: string): Limit[];
}

/** Which limits a request meets: those of its address, and of the user who is signed in. */
export function createLimits(settings: LimitSettings): Limits {
  const isTrusted = addressRanges(settings.trustedRanges);
  const ofAddressClass: Partial<Record<RouteClass, number>> = {
    login: settings.loginPerMinute,
    forgot: settings.forgotPerMinute,
    register: settings.loginPerMinute * REGISTER_PER_LOGIN,
  };
  const hasTrusted = settings.trustedRanges !== "";
  return {
    ofAddress(address, route) {
      const network = networkOf(address);
      const factor = hasTrusted && isTrusted(address) ? TRUSTED_FACTOR : 1;
      const limits = [counter("general", `rate:general:${network}`, settings.perMinute * factor)];
      const points = route?.limit && ofAddressClass[route.limit];
      if (route?.limit && points)
        limits.push(counter(route.limit, `rate:${route.limit}:${network}`, points * factor));
      return limits;
    },
    ofUser(sub, route, path, query) {
      const cost = route.limit ? COST[route.limit] : 1;
      const limits = [counter("user", `rate:user:${sub}`, userPoints(settings.perMinute), cost)];
      const share = route.limit && SHARE[route.limit];
      if (route.limit && share) {
        const points = Math.max(MIN_OF_CLASS, Math.floor(settings.perMinute * share));
        limits.push(counter(route.limit, `rate:${route.limit}:${sub}`, points));
      }
      const patient = patientOf(path, query);
      if (patient) {
        limits.push({
          ...counter("patients", `rate:patients:${sub}`, settings.patientsPerHour),
          windowMs: HOUR_MS,
          member: patient,
        });
      }
      return limits;
    },
  };
}

/** What a user has a minute, from all addresses. */
export function userPoints(perMinute: number): number {
  return perMinute * USER_POINTS_PER_REQUEST;
}

function counter(name: string, key: string, points: number, cost = 1): Limit {
  return { name, key, points, cost, windowMs: MINUTE_MS };
}

const ID = "([0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12})";
const PATH = new RegExp(`^/v1/(?:patients|fhir/Patient)/${ID}(?:/|$)`, "i");
const WHOLE = new RegExp(`^${ID}$`, "i");

/** The patient whom a path or a query names: the id without its dashes, to save memory in Redis. */
function patientOf(path: string, query: string): string | null {
  const id = PATH.exec(path)?.[1] ?? (query && askedFor(new URLSearchParams(query)));
  return id ? id.toLowerCase().replaceAll("-", "") : null;
}

/** As a list of ours asks (`patientId`), or a search of FHIR's (`patient=Patient/<id>`). */
function askedFor(query: URLSearchParams): string | undefined {
  const asked = ["patientId", "patient", "subject"].map((name) => query.get(name)).find(Boolean);
  return asked ? WHOLE.exec(asked.replace(/^Patient\//, ""))?.[1] : undefined;
}
