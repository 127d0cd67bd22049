import { InvalidInput, refusal, VersionConflict } from "@medvault/contracts";
import type { Outcome } from "./answer.ts";

/** 412: a condition finds several resources, so that none is created, changed or deleted. */
export class MultipleMatches extends refusal(
  "multiple_matches",
  "Several resources match a condition. Name one by its id.",
) {}

/** 409: an entry names a resource that is another patient's, or of another type. */
class ResourceElsewhere extends refusal(
  "resource_elsewhere",
  "An entry names a resource that is another patient's, or of another type. Nothing moves between patients.",
) {}

/** 400: a resource of this type is never deleted here. */
export class NotDeleted extends refusal(
  "not_deleted",
  "Resources of this type are not deleted. Record that one was entered in error instead.",
) {}

/** 400: an entry deletes by an identifier, which is one within a patient, and says no patient. */
export class NobodyNamed extends InvalidInput {
  constructor(index: number) {
    super("The bundle is not valid.", [
      {
        path: `entry.${index}.request.url`,
        message: "is by an identifier: name the resource by its id, or put its Patient into the bundle",
      },
    ]);
  }
}

/**
 * The patient that a bundle was sealed for is not the one to store it under any more, or a row was
 * changed: match and seal again.
 */
export class TargetChanged extends Error {}

/** What refuses a transaction because of one of its entries; null where that one is well. */
export function refusalOf(index: number, [result]: Outcome): Error | null {
  switch (result) {
    case "several":
      return new MultipleMatches(`entry.${index}: several resources match. Name one by its id.`);
    case "version":
      return new VersionConflict(
        `entry.${index}: another version than ifMatch names is stored. Read it again.`,
      );
    case "elsewhere":
      return new ResourceElsewhere();
    case "twice":
      return new InvalidInput("The bundle is not valid.", [
        { path: `entry.${index}.resource`, message: "is about the same resource as another entry" },
      ]);
    default:
      return null;
  }
}
