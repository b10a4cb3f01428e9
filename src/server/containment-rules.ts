// The section `containment` of `cordon.yaml`, and its rules in a running Cordon.
import * as z from 'zod';
import { setLevel } from '../control/containment.ts';
import { createContainmentRules, type ContainmentRule, type ContainmentRules } from '../control/containment-rules.ts';
import type { Publisher } from '../control/publisher.ts';
import { isCode } from '../domain/codes.ts';
import { errorTextOf } from '../domain/refusal.ts';
import { MOST_RISK } from '../domain/risk.ts';
import { duration, milliseconds } from './config-values.ts';
import type { Setting } from './setting.ts';
import type { State } from './state.ts';

const rule = z.strictObject({
  when: z.union([
    z.strictObject({ risk: z.int().min(1).max(MOST_RISK) }),
    z.strictObject({
      code: z.string().refine(isCode, 'a code such as CORDON-3002'),
      /** Id of a policy, or the beginning of ids: `containment.*`. */
      policy: z
        .string()
        .regex(/^[\w.-]{1,128}\*?$/)
        .exactOptional(),
      count: z.int().min(1).max(1_000).default(1),
      within: duration('1s', '24h').default('10m'),
    }),
  ]),
  level: z.enum(['watched', 'restricted', 'off']),
  for: duration('1s', '24h').default('15m'),
});

export const CONTAINMENT = z.strictObject({ rules: z.array(rule).max(32).default([]) });

export const rulesOf = ({ rules }: z.infer<typeof CONTAINMENT>): readonly ContainmentRule[] =>
  rules.map(({ when, level, for: time }) => {
    const then = { level, forMs: milliseconds(time) };
    if ('risk' in when) return { ...when, ...then };
    const { within, code, ...denials } = when;
    if (!isCode(code)) throw new TypeError(code); // the schema has seen to it
    return { ...denials, code, withinMs: milliseconds(within), ...then };
  });

export function startRules(setting: Setting, { store, log }: State, publisher: Publisher, stack: AsyncDisposableStack): ContainmentRules {
  const { now, config, onNotice } = setting;
  const rules = createContainmentRules({
    rules: config.containmentRules,
    now,
    levelOf: (agent) => publisher.world().levels.get(agent) ?? 'normal',
    order: async (order) => {
      onNotice(`! ${order.agent}: ${order.level} by a ${order.reason}`);
      await setLevel({ publisher, levels: store, log, now }, { ...order, actor: 'cordon' });
    },
    later: (ms, act) => {
      const timer = setTimeout(act, ms).unref();
      return () => clearTimeout(timer);
    },
    onError: (error) => onNotice(`! containment rule: ${errorTextOf(error)}`),
  });
  stack.defer(() => rules.close());
  return rules;
}
