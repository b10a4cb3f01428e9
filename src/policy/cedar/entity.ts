// An entity as it is stored: its name, attributes, tags and parents.
import type { CedarRecord, EntityUid } from './value.ts';

export interface EntityRecord {
  readonly uid: EntityUid;
  readonly attrs: CedarRecord;
  readonly tags: CedarRecord;
  readonly parents: readonly EntityUid[];
}
