# Sourced by the scripts that open the real page: sets CHROMIUM and installs what is missing.
here=tests/browser

# Missing programs come from Debian's packages, if we may install them.
missing=()
command -v "${CHROMIUM:-chromium}" >/dev/null || missing+=(chromium fonts-dejavu-core)
command -v node >/dev/null || missing+=(nodejs)
command -v npm >/dev/null || missing+=(npm)
if ((${#missing[@]})); then
  if [[ $(id -u) != 0 ]] || ! command -v apt-get >/dev/null; then
    echo "The real page needs ${missing[*]}. Please install them." >&2
    exit 1
  fi
  apt-get update -qq
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
fi
if ! cmp -s "$here/package-lock.json" "$here/node_modules/.installed"; then
  npm ci --prefix "$here" --silent
  cp "$here/package-lock.json" "$here/node_modules/.installed"
fi
export CHROMIUM
CHROMIUM=$(command -v "${CHROMIUM:-chromium}")
