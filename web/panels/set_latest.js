/**
 * Sets a value as the latest one of a map, which forgets its oldest where there are more than `most`.
 *
 * @template Key, Value
 * @param {Map<Key, Value>} map
 * @param {Key} key
 * @param {Value} value
 * @param {number} most
 */
export function setLatest(map, key, value, most) {
  map.delete(key);
  map.set(key, value);
  if (map.size > most) map.delete(/** @type {Key} */ (map.keys().next().value));
}
