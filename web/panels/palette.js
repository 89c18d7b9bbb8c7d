/**
 * Colours of Okabe and Ito, which colour-blind people can tell apart. The colours of groups come from the server, see
 * sage_core/images/palette.py.
 */
export const PALETTE = { blue: "#0072b2", vermilion: "#d55e00", green: "#009e73" };
