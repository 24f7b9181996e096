#!lua
-- probe v1: shows that writing works right now.
-- KEYS: the probe of the installation.
-- ARGV: any text.
--include prelude
call('SET', HEAD, take())
return 1
