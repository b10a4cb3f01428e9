export { distance, similar } from '../domain/similar.ts';
