#!/bin/sh
# Installs what the tests of wire/compat run against: Debian's memcached and
# libmemcached (tools and headers), perl with what damemtop and the TLS tests
# need, SASL's programs, the t/ folder of Debian's memcached source package,
# pymemcache and python-binary-memcached in a virtual environment, gomemcache in a
# small module, spymemcached and xmemcached by maven, memjs by npm. Everything
# that is not a Debian package goes to .cache/peers, which git ignores. A JDK with
# maven and node with npm must be there: they are too large to be installed in
# passing.
#
# It may be run again at any time: what is there already is left alone. It never
# fails: what could not be had is named on standard output, and the tests that
# need it skip by name. It leaves no service running or enabled that was not so
# before, and writes to no configuration of the system.
set -u

root=$(cd "$(dirname "$0")/../.." && pwd)
cache=$root/.cache/peers
mkdir -p "$cache"

memcached_version=1.6.18 # whose t/ the pass lists are for
pymemcache_version=4.0.0
pytest_version=9.2.0
bmemcached_version=0.33.0
uhashring_version=2.5 # which python-binary-memcached wants
gomemcache_version=v0.0.0-20260422231931-4d751bb6e37c
memjs_version=1.3.2
java_clients=$root/wire/compat/testdata/clients/java/pom.xml # with the versions

work=$(mktemp -d)
policy=/usr/sbin/policy-rc.d
policy_is_ours=no
clean() {
	[ "$policy_is_ours" = yes ] && $as_root rm -f "$policy"
	rm -rf "$work"
}
trap clean EXIT
trap 'exit 1' INT TERM

missing() { # what, why
	echo "install-peers: not had: $1 ($2)"
}

tail_of() { # a log's last line
	tail -n 1 "$1" 2>/dev/null
}

# as_root is how a command is run as root: directly, with a sudo that asks no
# password, or not at all ("false").
as_root=false
if [ "$(id -u)" = 0 ]; then
	as_root=
elif command -v sudo >/dev/null && sudo -n true 2>/dev/null; then
	as_root='sudo -n'
fi

has_apt() { command -v apt-get >/dev/null; }

# --- Debian packages ----------------------------------------------------------

installed() { [ "$(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null)" = installed ]; }

# install_packages installs those of its arguments that are not installed. While
# it works, policy-rc.d forbids the packages' scripts to start services; a file
# of that name which exists already is the administrator's word and stays.
install_packages() {
	wanted=
	for package in "$@"; do
		installed "$package" || wanted="$wanted $package"
	done
	[ -z "$wanted" ] && return 0
	if [ "$as_root" = false ]; then
		missing "packages$wanted" "neither root nor a sudo without password"
		return 0
	fi
	if [ ! -e "$policy" ]; then
		printf '#!/bin/sh\nexit 101\n' >"$work/policy"
		$as_root install -m 755 "$work/policy" "$policy" && policy_is_ours=yes
	fi
	apt='apt-get -q -y -o DPkg::Lock::Timeout=120 --no-install-recommends'
	for package in $wanted; do
		if ! $as_root env DEBIAN_FRONTEND=noninteractive $apt install "$package" >"$work/log" 2>&1; then
			[ -e "$work/updated" ] || $as_root $apt update >"$work/log" 2>&1
			touch "$work/updated"
			$as_root env DEBIAN_FRONTEND=noninteractive $apt install "$package" >"$work/log" 2>&1
		fi
		installed "$package" || missing "package $package" "$(tail_of "$work/log")"
	done
	# The package enables its service for the next boot; the tests need none.
	case " $wanted " in *' memcached '*)
		if [ -d /run/systemd/system ]; then
			$as_root systemctl disable memcached >/dev/null 2>&1
		fi ;;
	esac
	if [ "$policy_is_ours" = yes ]; then
		$as_root rm -f "$policy"
		policy_is_ours=no
	fi
}

# --- memcached's t/ -----------------------------------------------------------

# install_suite gets t/ and doc/ of the source package with apt's ordinary
# means. The list of sources is our own: the system's package archives as apt
# names them, each with deb-src, in a private state directory.
install_suite() {
	suite=$cache/memcached-$memcached_version
	[ -e "$suite/complete" ] && return 0
	if ! has_apt; then
		missing "memcached's own tests" "there is no apt-get"
		return 0
	fi
	keyring=/usr/share/keyrings/debian-archive-keyring.gpg
	signed=
	[ -e $keyring ] && signed="[signed-by=$keyring] "
	apt-get indextargets --format "deb-src $signed\$(REPO_URI) \$(RELEASE) \$(COMPONENT)" \
		'Created-By: Packages' 'Origin: Debian' 2>/dev/null | sort -u >"$work/sources.list"
	mkdir -p "$work/state/lists/partial" "$work/archives/partial" "$work/source"
	private="-q -o Dir::Etc::sourcelist=$work/sources.list -o Dir::Etc::sourceparts=/dev/null
		-o Dir::State::lists=$work/state/lists -o Dir::Cache=$work/archives -o APT::Sandbox::User="
	# shellcheck disable=SC2086 # a list of options
	apt-get $private update >"$work/log" 2>&1
	# shellcheck disable=SC2086
	(cd "$work/source" && apt-get $private source --download-only memcached) >>"$work/log" 2>&1
	archive=$(ls "$work"/source/memcached_"$memcached_version".orig.tar.* 2>/dev/null | grep -v '\.asc$' | head -n 1)
	if [ -z "$archive" ]; then
		missing "memcached's own tests of $memcached_version" "$(tail_of "$work/log")"
		return 0
	fi
	mkdir -p "$suite"
	if tar xf "$archive" -C "$suite" --strip-components=1 --wildcards '*/t' '*/doc' 2>"$work/log"; then
		touch "$suite/complete"
	else
		missing "memcached's own tests" "$(tail_of "$work/log")"
	fi
}

# --- clients ------------------------------------------------------------------

install_python_clients() {
	venv=$cache/python
	stamp=$venv/pymemcache-$pymemcache_version-pytest-$pytest_version-bmemcached-$bmemcached_version
	[ -e "$stamp" ] && "$venv/bin/python" -c 'import pymemcache, pytest, bmemcached' 2>/dev/null && return 0
	rm -rf "$venv"
	for python in python3 /usr/bin/python3; do
		command -v $python >/dev/null || continue
		$python -m venv "$venv" >"$work/log" 2>&1 &&
			"$venv/bin/pip" install -q --disable-pip-version-check \
				"pymemcache==$pymemcache_version" "pytest==$pytest_version" \
				"python-binary-memcached==$bmemcached_version" "uhashring==$uhashring_version" >"$work/log" 2>&1 &&
			touch "$stamp" && return 0
	done
	missing "pymemcache $pymemcache_version, python-binary-memcached $bmemcached_version" "$(tail_of "$work/log")"
}

install_gomemcache() {
	module=$cache/gomemcache
	stamp=$module/$gomemcache_version
	[ -e "$stamp" ] && return 0
	if ! command -v go >/dev/null; then
		missing gomemcache "there is no go"
		return 0
	fi
	mkdir -p "$module"
	(
		cd "$module" && rm -f go.mod go.sum peer.go &&
			printf 'package peer\n\nimport _ "github.com/bradfitz/gomemcache/memcache"\n' >peer.go &&
			go mod init peer && go get "github.com/bradfitz/gomemcache@$gomemcache_version" && go mod tidy
	) >"$work/log" 2>&1 && touch "$stamp" && return 0
	missing "gomemcache $gomemcache_version" "$(tail_of "$work/log")"
}

# install_java_clients has maven copy the jars that a pom names.
install_java_clients() {
	jars=$cache/java
	[ -e "$jars/complete" ] && cmp -s "$java_clients" "$jars/complete" && return 0
	for program in java javac mvn; do
		if ! command -v $program >/dev/null; then
			missing "spymemcached, xmemcached" "there is no $program"
			return 0
		fi
	done
	rm -rf "$jars"
	mkdir -p "$jars"
	cp "$java_clients" "$work/pom.xml"
	(cd "$work" && mvn -q -B dependency:copy-dependencies "-DoutputDirectory=$jars") >"$work/log" 2>&1 &&
		cp "$java_clients" "$jars/complete" && return 0
	missing "spymemcached, xmemcached" "$(tail_of "$work/log")"
}

install_node_client() {
	folder=$cache/node
	[ -e "$folder/memjs-$memjs_version" ] && return 0
	for program in node npm; do
		if ! command -v $program >/dev/null; then
			missing memjs "there is no $program"
			return 0
		fi
	done
	rm -rf "$folder"
	mkdir -p "$folder"
	echo '{"private": true}' >"$folder/package.json"
	(cd "$folder" && npm install --no-audit --no-fund --ignore-scripts "memjs@$memjs_version") >"$work/log" 2>&1 &&
		touch "$folder/memjs-$memjs_version" && return 0
	missing "memjs $memjs_version" "$(tail_of "$work/log")"
}

if has_apt; then
	install_packages memcached libmemcached-tools perl xz-utils python3-venv
	install_packages bsdutils libanyevent-perl libyaml-perl libterm-readkey-perl # of damemtop
	install_packages sasl2-bin libsasl2-modules libio-socket-ssl-perl            # of memcached's own tests
	install_packages libmemcached-dev                                            # of the C client
	command -v cc >/dev/null || install_packages gcc libc6-dev
else
	for program in memcached memccapable perl; do
		command -v $program >/dev/null || missing "$program" "there is no apt-get to install it with"
	done
fi
command -v cc >/dev/null || missing "a client in C" "there is no cc"
install_suite
install_python_clients
install_gomemcache
install_java_clients
install_node_client
exit 0
