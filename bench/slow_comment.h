/* SPDX-License-Identifier: MIT
 * The comment of the comment-only change: see slow.cmake. */
