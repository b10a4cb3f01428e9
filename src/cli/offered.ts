// What a resource has that may be called, in words: `3 tools`, `11 routes`, `2 hosts`.
import type { ResourceKind } from '../domain/registry.ts';
import { several } from './units.ts';

const WORDS: Readonly<Record<ResourceKind, string>> = { mcp: 'tool', http: 'route', egress: 'host' };

export const offered = ({ kind = 'mcp', tools }: { readonly kind?: ResourceKind; readonly tools: number }): string =>
  several(tools, WORDS[kind]);

/** Is it the call of a tool or route, which its own name says? */
export const isCall = (action: string): boolean => action === 'tools/call' || action === 'http/call';
