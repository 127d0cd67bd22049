import { InvalidInput, type RouteDoc } from "@medvault/contracts";
import { noteRoute } from "@medvault/service-kit";
import type { Request } from "express";
import { requestTarget } from "../routing/request-target.ts";
import type { FindDocument } from "../routing/route-docs.ts";
import { type FieldPlan, fieldPlan, unscreenedNames } from "../screening/field-plan.ts";
import { screenHeaders, screenPath, screenQuery } from "../screening/screen.ts";
import { TargetTooLong } from "./inspection.errors.ts";
import { queryNames, queryPairs, refuseUnknownNames } from "./query.ts";

/** A request's line and headers, parsed and found well-formed. */
interface Inspected {
  path: string;
  /** With its `?`, as it came. */
  query: string;
  /** What of the body is screened. */
  plan: FieldPlan;
  /** Whether its document says that the answer may take long. */
  slow: boolean;
  /** What its document asks of the caller. */
  permission: RouteDoc["permission"];
  /** Throws InvalidInput for names that the route does not know; called after admission. */
  refuseUnknownQuery(): void;
}

const MAX_TARGET_CHARS = 8 * 1024;

export type Inspect = (req: Request) => Inspected;

interface Known {
  plan: FieldPlan;
  names: ReadonlySet<string>;
  /** Of its query, what holds words to search for, which are never screened. */
  unscreened: ReadonlySet<string>;
}

const UNKNOWN: Known = { plan: "screen", names: new Set(), unscreened: new Set() };

/**
 * The first look at a request's target and at what it holds, before it costs anything: throws
 * InvalidInput for what is malformed or can be read in two ways, TargetTooLong, RequestScreened for
 * what looks like an attack. A malformed attack is reported as the attack.
 */
export function inspector(find: FindDocument): Inspect {
  const plans = new Map<RouteDoc, Known>();
  const known = (route: RouteDoc | null): Known => {
    if (!route) return UNKNOWN;
    const before = plans.get(route);
    if (before) return before;
    const made = { plan: fieldPlan(route), names: queryNames(route), unscreened: unscreenedNames(route) };
    plans.set(route, made);
    return made;
  };
  return (req) => {
    if (req.url.length > MAX_TARGET_CHARS) throw new TargetTooLong();
    const { path, query } = soundTarget(req.url);
    const route = find(req.method, path);
    if (route) noteRoute(req, route.path);
    const { plan, names, unscreened } = known(route);
    const isOpen = route?.openQuery ?? false;
    const pairs = queryPairs(query, isOpen);
    screenPath(path);
    screenQuery(pairs, unscreened);
    screenHeaders(req.rawHeaders);
    return {
      path,
      query,
      plan,
      slow: route?.slow ?? false,
      permission: route?.permission,
      refuseUnknownQuery: () => {
        if (route && !isOpen && pairs.length > 0) refuseUnknownNames(pairs, names);
      },
    };
  };
}

function soundTarget(url: string): { path: string; query: string } {
  try {
    return requestTarget(url);
  } catch (thrown) {
    if (thrown instanceof InvalidInput) {
      screenPath(url);
      for (const part of url.split(/[?&]/)) screenPath(part);
    }
    throw thrown;
  }
}
