# SPDX-License-Identifier: GPL-2.0-only
#
# Programs of the tests are built with sanitizers from nearly all that the tool has: ccache, where
# it is installed, keeps each object outside the tree, for other checkouts as well.

TREE	:= $(abspath $(dir $(lastword $(MAKEFILE_LIST)))/..)

export CCACHE_DIR := $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/dm-lclone/ccache
export CCACHE_BASEDIR := $(TREE)
export CCACHE_NOHASHDIR := 1
export CCACHE_MAXSIZE := 1G

CCACHE	:= $(shell command -v ccache)
