// Places of the evaluator that random cases do not reach, by the reason why that is no hole in the proof.

type Place = readonly [file: string, text: string];

const BY_REASON: Readonly<Record<string, readonly Place[]>> = {
  'the parsed policy comes from the official engine, which writes nothing else': [
    ['expression.ts', 'is no operator of Cedar 4.5'],
    ['expression.ts', 'malformed'],
    ['expression.ts', ': undefined'],
    ['expression.ts', '?? false'],
    ['expression.ts', 'throw error;'],
    ['expression.ts', 'value.every(isJson)'],
    ['scope.ts', 'one.__entity'],
  ],
  'one part of the evaluator rules it out for another': [
    ['compile.ts', 'unbound()'],
    ['compile.ts', 'a constant is missing'],
    ['compile.ts', 'is no extension function'],
    ['compiled-set.ts', 'a policy has three constraints'],
    ['scope-index.ts', 'continue;'],
  ],
  'a set of policies or entities is refused before anything is decided by it': [
    ['compiled-set.ts', 'two policies are called'],
    ['compiled-set.ts', 'return;'],
    ['scope.ts', 'has no value'],
    ['entities.ts', 'is its own ancestor'],
    ['entities.ts', 'ancestors`)'],
    ['entities.ts', 'of one name differ'],
    ['entities.ts', '!same(twin, record)'],
    ['entities.ts', '(a: EntityRecord, b: EntityRecord): boolean => equal('],
  ],
  'not asked for by a decision': [
    ['compiled-set.ts', 'get size()'],
    ['compiled-set.ts', 'get(id: string)'],
    ['compiled-set.ts', "effect === 'permit' || !shape.readsContext"],
    ['compiled-set.ts', 'shape.outline(env, constants)'],
    ['entities.ts', 'get size()'],
    ['entities.ts', 'all(type?: string)'],
    ['scope.ts', 'scopeKeys.includes(key)'],
    ['value.ts', 'value is EntityUid'],
    ['value.ts', 'value is CedarSet'],
    ['value.ts', 'value is Extension'],
  ],
  'beyond the bounds of random cases': [
    ['compiled-set.ts', 'nested too deep'],
    ['triple-cache.ts', 'this.clear();'],
  ],
};

export const UNREACHED = Object.values(BY_REASON)
  .flat()
  .map(([file, text]) => ({ file, text }));
