#!/bin/sh
# credentials.sh USERS_ACL DIR: makes the password between sessiond and Redis at the first start, and
# gives each side its own: DIR/sessiond/store-password, and DIR/redis/users.acl with its SHA-256.
set -eu
umask 077
users_acl=$1
dir=$2

password=$dir/sessiond/store-password
mkdir -p "$dir/sessiond" "$dir/redis"
[ -s "$password" ] || head -c 32 /dev/urandom | od -An -tx1 | tr -d ' \n' >"$password"
hash=$(printf %s "$(cat "$password")" | sha256sum | cut -d ' ' -f 1)

# Whatever password the file ships with is replaced.
sed -E "/^user sessiond /{s/ (nopass|resetpass|[>#][^ ]+)//g;s/\$/ #$hash/;}" \
  "$users_acl" >"$dir/redis/users.acl"

chown -R redis:redis "$dir/redis"
chown -R 10001:10001 "$dir/sessiond"
