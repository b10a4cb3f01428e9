// What a tool does and what its arguments are for, in the words that a person reviews. Sessions go by it (docs/sessions.md).

/**
 * `sink`: names a recipient, account, record, path or address. `content`: free text. `quantity`: numbers, dates, choices. `proof`: a one-time
 * code. `query`: what a search looks for. `fresh`: the name of a thing that the call makes.
 */
export const ROLES = ['sink', 'content', 'quantity', 'proof', 'query', 'fresh'] as const;
export type Role = (typeof ROLES)[number];

export const EFFECTS = ['read', 'write'] as const;
export type Effect = (typeof EFFECTS)[number];

/**
 * `text`: what others wrote, as it is; a record in it is their imitation of one. `document`: a record that may be one of theirs, so a bare
 * line is theirs too. `records`: the tool's own, down to bare lists.
 */
export const OUTPUTS = ['records', 'document', 'text'] as const;
export type OutputKind = (typeof OUTPUTS)[number];

/** What a person said of a tool, of the definition with this digest and no other; what is not said is as drafted. */
export interface Reviewed {
  /** `sha256:` and 64 hexadecimal digits. */
  readonly definition: string;
  readonly effect?: Effect;
  readonly output?: OutputKind;
  /** By the name of an argument. */
  readonly arguments: Readonly<Record<string, Role>>;
}
